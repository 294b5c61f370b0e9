-- What the ledger concludes about every declared signal if `trials` had been made: the table "Decision" of the method.
-- One row per declaration (a factor of one version, code, universe, neutralisation and condition, over its horizons),
-- from the latest look of each horizon. `nexus/signals/decide.py` is the same table in Python.
CREATE FUNCTION verdicts_at(trials bigint)
RETURNS TABLE (
    declaration_no integer, signal text, factor text, version text, universe text, neutralise text, condition text,
    verdict text, status text, reason text, horizon smallint, evaluation_id bigint, judgement_id uuid, look_no integer,
    last_date date, t_stat double precision, gate_p double precision, m bigint, hlz_passes boolean,
    ic_mean double precision, gate_n integer, detectable_ic double precision, coverage double precision,
    names double precision, tier text, retest_after_n integer, declining boolean, horizons smallint[])
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
WITH looks AS (
    SELECT h.declaration_no, h.hypothesis_no, h.horizon, h.sign * own.sign AS side, e.evaluation_id, e.judgement_id, e.look_no,
           e.last_gate_date, e.ic_mean, e.gate_n, e.gate_t, e.gate_p, e.null_low, e.null_high, e.approved,
           e.contaminated, e.suspect, e.tier, e.coverage_mean, e.names_mean, e.sign_agrees, e.stable, e.declining,
           e.wrong_since_approval, e.detectable_ic, e.months_03, canary.passed AS canary,
           NOT coalesce(canary.passed, NOT e.suspect) AS held,
           row_number() OVER (PARTITION BY h.hypothesis_no ORDER BY e.look_no DESC) = 1 AS latest
    FROM hypotheses h
    JOIN factor_evaluations e ON e.root_no = h.root_no AND e.look_no IS NOT NULL
    JOIN hypotheses own ON own.hypothesis_no = e.hypothesis_no
    CROSS JOIN LATERAL (SELECT canary_passed(h.root_no) AS passed) canary
), judged AS (
    SELECT l.*,
           coalesce(l.approved AND l.gate_p * trials <= 0.5 AND NOT l.held, false) AS standing,
           CASE WHEN l.tier = 'C' THEN 'backdated'
                WHEN coalesce(l.coverage_mean < 0.90, true) THEN 'survivorship'
                WHEN coalesce(l.names_mean < 50, true) THEN 'thin'
                WHEN NOT l.sign_agrees THEN 'sign'
                WHEN NOT l.stable THEN 'unstable'
                WHEN l.wrong_since_approval THEN 'wrong sign'
                WHEN l.held THEN 'suspect' END AS obstacle,
           CASE WHEN l.latest THEN row_number() OVER (
               PARTITION BY l.declaration_no, l.latest ORDER BY abs(l.gate_t) DESC NULLS LAST, l.horizon) END AS strength
    FROM looks l
), decided AS (
    SELECT j.declaration_no,
           bool_or(j.contaminated) FILTER (WHERE j.latest) AS contaminated,
           coalesce(bool_or(NOT j.canary) FILTER (WHERE j.latest), false) AS caught,
           bool_or(j.standing) FILTER (WHERE j.latest) AS standing,
           bool_or(j.approved AND NOT j.held) AS once_approved,
           coalesce(3 * min(j.gate_p) FILTER (WHERE j.latest) <= 0.05, false) AS near,
           coalesce(bool_and(coalesce(j.null_low > -0.02 AND j.null_high < 0.02, false)) FILTER (WHERE j.latest), false)
               AS nothing_there,
           -- of the horizons that pass on the p-value, what keeps the strongest from approval
           (array_agg(coalesce(j.obstacle, 'threshold') ORDER BY j.strength)
               FILTER (WHERE j.latest AND j.gate_p * trials <= 0.05))[1] AS obstacle,
           array_agg(j.horizon ORDER BY j.horizon) FILTER (WHERE j.latest) AS horizons
    FROM judged j
    GROUP BY j.declaration_no
), lost AS (
    -- the latest look at the horizon that was approved last: why it is retired
    SELECT DISTINCT ON (a.declaration_no) a.declaration_no,
           CASE WHEN coalesce(l.gate_p * trials > 0.5, true) THEN 'multiplicity'
                WHEN l.wrong_since_approval THEN 'wrong sign'
                WHEN NOT l.stable THEN 'unstable'
                ELSE coalesce(l.obstacle, 'multiplicity') END AS reason
    FROM judged a
    JOIN judged l ON l.hypothesis_no = a.hypothesis_no AND l.latest
    WHERE a.approved AND NOT a.held
    ORDER BY a.declaration_no, a.evaluation_id DESC
), decisive AS (
    SELECT DISTINCT ON (j.declaration_no) j.*
    FROM judged j
    WHERE j.latest
    ORDER BY j.declaration_no, j.standing DESC, j.strength
), declared AS (
    SELECT DISTINCT ON (h.declaration_no) h.* FROM hypotheses h ORDER BY h.declaration_no, h.hypothesis_no
)
SELECT d.declaration_no, h.signal, h.factor, h.version, h.universe, h.neutralise, h.condition,
       CASE WHEN d.standing AND status.status = 'approved' THEN 'pass'
            WHEN d.near THEN 'inconclusive'
            WHEN d.nothing_there THEN 'null'
            ELSE 'underpowered' END,
       status.status,
       CASE WHEN d.contaminated THEN 'contaminated'
            WHEN d.caught THEN 'canary'
            WHEN d.standing THEN 'passes'
            WHEN d.once_approved THEN lost.reason
            WHEN d.near THEN coalesce(d.obstacle, 'threshold')
            WHEN d.nothing_there THEN 'null'
            WHEN x.months_03 > 600 THEN 'noise'
            ELSE 'time' END,
       x.horizon, x.evaluation_id, x.judgement_id, x.look_no, x.last_gate_date,
       strongest.side * strongest.gate_t, x.gate_p, trials, coalesce(strongest.gate_p * trials <= 0.05, false), x.side * x.ic_mean, x.gate_n,
       x.detectable_ic, x.coverage_mean, x.names_mean, x.tier,
       CASE WHEN NOT d.standing AND NOT d.near AND NOT d.nothing_there AND x.months_03 IS NOT NULL
            THEN ceil(least(x.months_03, 1e9))::integer END,
       x.declining, d.horizons
FROM decided d
JOIN declared h USING (declaration_no)
JOIN decisive x USING (declaration_no)
JOIN judged strongest ON strongest.declaration_no = d.declaration_no AND strongest.strength = 1
LEFT JOIN lost ON lost.declaration_no = d.declaration_no
CROSS JOIN LATERAL (
    SELECT CASE WHEN d.contaminated OR d.caught THEN 'rejected'
                WHEN d.standing THEN 'approved'
                WHEN d.once_approved THEN 'retired'
                WHEN d.near THEN 'candidate'
                ELSE 'rejected' END AS status) status
$$;
