"""One step of TRL's trainers on a release: `python trl_step.py RELEASE FOLDER`, in an environment that has TRL.

The model is tiny and random, its tokenizer knows bytes; what is tried is whether the trainers take the rows as they
are, chat template and margin included. Prints the losses, and what the first batch of the reward model held, as JSON.
"""

from __future__ import annotations

import json
import sys

import torch
from datasets import load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

SPECIAL = ("<pad>", "<end>", "<user>", "<assistant>", "<system>")
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def tokenizer_of_bytes() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each byte, and for each role."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    plain.add_special_tokens(list(SPECIAL))
    ends = {"pad_token": "<pad>", "eos_token": "<end>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, **ends)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def main(release: str, folder: str) -> None:
    """Train each trainer for a step."""
    torch.manual_seed(1)
    pairs = load_dataset(release, "trl", cache_dir=f"{folder}/cache")["train"]
    tokenizer = tokenizer_of_bytes()
    size = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=1,
    )
    causal, scoring = f"{folder}/causal", f"{folder}/scoring"
    # The trainers look a model's name up, so each model lies in a folder of its own.
    for model, place in ((LlamaForCausalLM(size), causal), (LlamaForSequenceClassification(size), scoring)):
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
    common = {"max_steps": 1, "per_device_train_batch_size": 2, "report_to": [], "use_cpu": True, "bf16": False}
    reward = RewardTrainer(
        model=LlamaForSequenceClassification.from_pretrained(scoring),
        args=RewardConfig(output_dir=f"{folder}/reward", **common),
        processing_class=tokenizer,
        train_dataset=pairs,
    )
    batch = next(iter(reward.get_train_dataloader()))
    dpo = DPOTrainer(
        model=LlamaForCausalLM.from_pretrained(causal),
        args=DPOConfig(output_dir=f"{folder}/dpo", **common),
        processing_class=tokenizer,
        train_dataset=pairs,
    )
    told = {
        "pairs": len(pairs),
        "batch": sorted(batch),
        "margins": batch["margin"].tolist(),
        "reward": reward.train().training_loss,
        "dpo": dpo.train().training_loss,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
