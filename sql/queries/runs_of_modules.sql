-- How often did each module run, how did it end, and which runs are still at work or were killed?
SELECT module, model_version, count(*) AS runs, count(*) FILTER (WHERE status = 'done') AS done,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'running') AS at_work_or_killed, max(started_at) AS last_began,
       max(finished_at) AS last_ended, max(trained_to) AS trained_to, max(tier) AS tier
FROM model_runs
GROUP BY module, model_version
ORDER BY last_began DESC, module, model_version;
