-- How many evaluations and looks a month, and what did M come to?
SELECT date_trunc('month', evaluated_at)::date AS month, count(*) AS evaluations, count(look_no) AS looks,
       count(*) FILTER (WHERE approved) AS approvals, max(m_at) AS m
FROM factor_evaluations
GROUP BY 1
ORDER BY 1;
