-- Under which terms the answers of any weights were ever stored.
-- inputs: all_responses
-- grain: model, model_name, revision, licence, outputs_may_train
-- output: model, model_name, revision, licence, outputs_may_train
select distinct model, model_name, revision, licence, outputs_may_train
from all_responses
order by model, model_name, revision, licence, outputs_may_train
