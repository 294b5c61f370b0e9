-- How many companies and bars does each source have, by year, and how many bars were restated?
SELECT source, extract(year FROM session)::integer AS year, count(DISTINCT company_id) AS companies,
       count(DISTINCT (company_id, session)) AS bars, count(*) - count(DISTINCT (company_id, session)) AS restatements
FROM prices
GROUP BY 1, 2
ORDER BY 1, 2;
