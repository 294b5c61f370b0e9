-- What share of each universe has prices, by year?
SELECT universe, year, session, members, priced, coverage, coverage >= 0.90 AS enough
FROM universe_coverage
ORDER BY universe, year;
