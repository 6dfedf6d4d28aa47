-- Every annotation with the stage that it reached and the reason why it left, over all steps of the policy.
-- inputs: judged, coverage, chosen, closest_preferences
-- parameters: closed
-- grain: task_id, response_id, annotator
-- output: campaign, task_id, response_id, position, annotator, vendor, scores, flags, preference, justification,
-- submitted_at, revision, round, guideline_version, seconds, simulated, delivery_id, row_number, stage, reason,
-- preference_retained
select
    judged.campaign,
    judged.task_id,
    judged.response_id,
    judged.position,
    judged.annotator,
    judged.vendor,
    judged.scores,
    judged.flags,
    judged.preference,
    judged.justification,
    judged.submitted_at,
    judged.revision,
    judged.round,
    judged.guideline_version,
    judged.seconds,
    judged.simulated,
    judged.delivery_id,
    judged.row_number,
    coalesce(judged.stage, chosen.stage, 'coverage') as stage,
    case
        when judged.stage is not null then judged.reason
        when chosen.stage is not null then chosen.reason
        when coverage.needed > 0 and not $closed then 'awaiting_top_up'
        else 'too_few'
    end as reason,
    closest_preferences.annotator is not null as preference_retained
from judged
left join coverage using (task_id)
left join chosen using (task_id, annotator)
left join closest_preferences using (task_id, annotator)
order by judged.task_id, judged.response_id, judged.annotator
