-- The models that wrote responses of each campaign's tasks. A campaign is frozen: a model that came
-- later is no concern of it.
-- inputs: annotation_tasks
-- grain: campaign, model
-- output: campaign, model
select distinct campaign, model
from annotation_tasks
where model is not null
order by campaign, model
