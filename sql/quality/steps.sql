-- The annotations that agreement is measured on at each step: once in every step that they pass.
-- `outcome` is the table of retained annotations, or the same after shuffling.
-- inputs: outcome
-- grain: step, task_id, response_id, annotator
-- output: step, task_id, response_id, annotator, scores
select
    steps.step,
    outcome.task_id,
    outcome.response_id,
    outcome.annotator,
    outcome.scores
from outcome
join (
    values
    ('collected', ['validity', 'trust', 'coverage', 'closest', 'dispute', 'kept']),
    ('trusted', ['coverage', 'closest', 'dispute', 'kept']),
    ('closest', ['dispute', 'kept']),
    ('retained', ['kept'])
) as steps (step, stages) on list_contains(steps.stages, outcome.stage)
order by steps.step, outcome.task_id, outcome.response_id, outcome.annotator
