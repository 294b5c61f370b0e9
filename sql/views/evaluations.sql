-- Evaluations to be read by a person: who, on what, how many, how sure; without the series.
CREATE VIEW evaluations AS
SELECT e.evaluation_id, h.signal, h.factor, h.version, h.horizon, h.universe, h.neutralise, h.rebalance, h.condition,
       e.kind, e.look_no, e.approved, e.tier, e.n, e.ic_mean, e.ic_sd, e.hit_rate, e.gate_n, e.gate_mean, e.gate_t,
       e.gate_p, e.gate_p * e.m_at AS p_times_m, e.m_at, e.detectable_ic, e.coverage_mean AS coverage,
       e.names_mean AS names, e.stable, e.declining, e.suspect, e.contaminated, e.first_date, e.last_date,
       e.evaluated_at, e.judgement_id, e.hypothesis_no, h.declaration_no, e.root_no, same.signal AS same_as, h.sign
FROM factor_evaluations e
JOIN hypotheses h USING (hypothesis_no)
LEFT JOIN hypotheses same ON same.hypothesis_no = e.root_no AND same.hypothesis_no <> h.hypothesis_no;
