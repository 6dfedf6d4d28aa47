-- The cells that lack an answer: a selected prompt and sample has no row, one that is not settled because the money or
-- the tries ran out, or one that answers another conversation than the selected one, or was asked otherwise than now.
-- `models` has a row for each model and sample, with what it is asked with. An answer that does not say which endpoint
-- gave it is from before that was kept, and taken for the present one's.
-- inputs: selected_prompts, responses, models
-- grain: model, prompt_batch
-- output: model, prompt_batch
with wanted as (
    select
        models.*,
        selected_prompts.prompt_batch,
        selected_prompts.prompt_id,
        selected_prompts.conversation_hash
    from selected_prompts
    cross join models
    where selected_prompts.selected
),

settled as (
    select
        model,
        coalesce(responses.endpoint, models.endpoint) as endpoint,
        responses.model_name,
        responses.revision,
        sample_index,
        responses.parameters,
        responses.prompt_batch,
        responses.prompt_id,
        responses.conversation_hash
    from responses
    join models using (model, sample_index)
    where responses.answered_at is not null
)

select distinct model, prompt_batch
from wanted
anti join settled using (
    model, endpoint, model_name, revision, sample_index, parameters, prompt_batch, prompt_id, conversation_hash
)
order by model, prompt_batch
