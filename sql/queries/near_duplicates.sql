-- Which hypotheses are nearly an earlier one, and what became of that?
SELECT signal, horizon, resembles, rho, its_verdict, its_status
FROM near_duplicates
ORDER BY abs(rho) DESC, signal, horizon;
