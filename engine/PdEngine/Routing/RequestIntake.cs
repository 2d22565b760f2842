using System.Text.Json;

namespace PdEngine;

/// <summary>
/// The door: turns what a caller asked into a valid, immutable <see cref="Request"/>, or refuses it.
/// </summary>
internal sealed class RequestIntake(
    ModelConfig model, Tokenizer? tokenizer, ChatTemplate? template, int contextTokens, ulong seed)
{
    public const int MaxTopLogProbs = 64;

    public Request Admit(GenerateRequest asked, RequestId id)
    {
        int[] prompt = Encode(asked);
        SamplingParams sampling = asked.Sampling;
        RefuseOfReward(asked);
        int promptLength = asked.PromptLength ?? prompt.Length;
        if (promptLength < 0 || promptLength > prompt.Length)
            throw new RequestException("prompt_length", $"{promptLength} is not in 0 to {prompt.Length}");
        CheckSampling(sampling, prompt.Length - promptLength);
        if (prompt.Length >= contextTokens && sampling.MaxNewTokens > 0)
        {
            throw new RequestException(
                "prompt", $"{prompt.Length} tokens leave no room for output in a context "
                + $"of {contextTokens}; shorten it, or set max_new_tokens to 0 to score it");
        }
        if (asked.LogProbStartLen < -1 || asked.LogProbStartLen >= prompt.Length)
        {
            throw new RequestException("logprob_start_len",
                $"{asked.LogProbStartLen} is outside the prompt of {prompt.Length} tokens (-1 is its last)");
        }
        if (asked is { MinWeightVersion: not null, ExactWeightVersion: not null })
            throw new RequestException("min_weight_version", "it cannot be given beside an exact version");
        if (asked.TopLogProbsNum is < 0 or > MaxTopLogProbs)
            throw new RequestException(
                "top_logprobs_num", $"{asked.TopLogProbsNum} is not in 0 to {MaxTopLogProbs}");
        return new Request
        {
            Id = id,
            PromptTokens = prompt,
            Sampling = sampling,
            Seed = sampling.SamplingSeed ?? Mix(seed, (ulong)id.Value),
            StopTokenIds = StopIds(sampling),
            ReturnLogProb = asked.ReturnLogProb,
            LogProbStart = !asked.ReturnLogProb ? null
                : asked.LogProbStartLen == -1 ? prompt.Length - 1 : asked.LogProbStartLen,
            WantsReward = model.IsReward,
            TopLogProbCount = asked.ReturnLogProb ? asked.TopLogProbsNum : 0,
            PenaltyPromptCount = promptLength,
            Priority = asked.Priority,
            RoutingKey = asked.RoutingKey,
            SessionId = asked.SessionId,
            MinWeightVersion = asked.MinWeightVersion,
            ExactWeightVersion = asked.ExactWeightVersion,
            Operation = asked.Messages is null ? "text_completion" : "chat",
            TraceParent = asked.TraceParent,
        };
    }

    /// <summary>
    /// A request that scores given tokens: no output, log-probs from the second token on, or of a reward
    /// model the reward.
    /// </summary>
    public Request AdmitScore(
        ReadOnlyMemory<int> tokens, int promptLength, SamplingParams sampling, RequestId id)
    {
        int[] prompt = tokens.ToArray();
        CheckPrompt(prompt);
        CheckSampling(sampling, madeBefore: 0);
        if (promptLength < 0 || promptLength > prompt.Length)
            throw new RequestException("prompt_length", $"{promptLength} is not in 0 to {prompt.Length}");
        return new Request
        {
            Id = id,
            PromptTokens = prompt,
            Sampling = sampling with { MaxNewTokens = 0 },
            Seed = 0,
            StopTokenIds = StopIds(sampling),
            ReturnLogProb = !model.IsReward,
            LogProbStart = model.IsReward ? null : 0,
            WantsReward = model.IsReward,
            PenaltyPromptCount = promptLength,
        };
    }

    /// <summary>SplitMix64's finaliser over two words (Steele, Lea and Flood 2014).</summary>
    internal static ulong Mix(ulong left, ulong right)
    {
        ulong z = left + (0x9E3779B97F4A7C15UL * (right + 1));
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }

    /// <summary>The tokens of a prompt, checked.</summary>
    public int[] Encode(GenerateRequest asked)
    {
        int[] prompt = PromptOf(asked);
        CheckPrompt(prompt);
        return prompt;
    }

    /// <summary>A reward model has no logits to draw from or to report.</summary>
    private void RefuseOfReward(GenerateRequest asked)
    {
        if (!model.IsReward)
            return;
        if (asked.Sampling.MaxNewTokens > 0)
        {
            throw new RequestException("max_new_tokens",
                $"{asked.Sampling.MaxNewTokens} tokens are asked of a reward model, which makes none; score "
                + "the tokens instead (ScoreAsync), or set it to 0");
        }
        if (asked.ReturnLogProb)
        {
            throw new RequestException("return_logprob",
                "a reward model has no log-probs; what it makes of the prompt is its reward");
        }
    }

    private int[] PromptOf(GenerateRequest asked)
    {
        int given = (asked.Text is null ? 0 : 1) + (asked.InputIds is null ? 0 : 1)
            + (asked.Messages is null ? 0 : 1);
        if (given != 1)
            throw new RequestException(
                "prompt", $"exactly one of text, input_ids and messages is needed, not {given}");
        if (asked.InputIds is { } ids)
            return ids.ToArray();
        if (tokenizer is null)
        {
            throw new RequestException(asked.Text is null ? "messages" : "text",
                "the checkpoint has no tokenizer; send input_ids, or put tokenizer.json beside the weights");
        }
        if (asked.Text is { } text)
            return tokenizer.Encode(text, addSpecialTokens: true, asked.ParseAddedTokens);
        return tokenizer.Encode(Render(asked, asked.Messages!.Value), false, asked.ParseAddedTokens);
    }

    private string Render(GenerateRequest asked, JsonElement messages)
    {
        if (template is null)
        {
            throw new RequestException("messages",
                "the checkpoint has no chat template; send text or input_ids instead");
        }
        if (messages.ValueKind == JsonValueKind.Array && messages.GetArrayLength() == 0)
            throw new RequestException("messages", "the list is empty; at least one message is needed");
        if (asked.Tools is { ValueKind: JsonValueKind.Array } tools && tools.GetArrayLength() > 0
            && !template.TakesTools)
        {
            throw new RequestException("tools", "the model's chat template takes no tools, so that it would "
                + "not see them; leave them out, or use a model whose template does");
        }
        return template.Render(messages, new ChatTemplateOptions
        {
            AddGenerationPrompt = true,
            Tools = asked.Tools,
            Extra = asked.ChatTemplateArguments,
            BosToken = tokenizer!.BosToken,
            EosToken = tokenizer.EosToken,
        });
    }

    private void CheckPrompt(int[] prompt)
    {
        if (prompt.Length == 0)
            throw new RequestException("prompt", "it is empty; at least one token is needed");
        if (prompt.Length > contextTokens)
        {
            throw new RequestException(
                "prompt", $"{prompt.Length} tokens exceed the context of {contextTokens}; "
                + "shorten it, or raise context_length if the checkpoint allows");
        }
        foreach (int token in prompt)
            CheckId("input_ids", token);
    }

    private void CheckSampling(SamplingParams sampling, int madeBefore)
    {
        int mostTokens = sampling.MaxNewTokens + madeBefore;
        Require(sampling.Temperature >= 0 && float.IsFinite(sampling.Temperature),
            "temperature", sampling.Temperature, "at least 0");
        Require(sampling.TopP is > 0 and <= 1, "top_p", sampling.TopP, "above 0 and at most 1");
        Require(sampling.TopK == -1 || sampling.TopK >= 1, "top_k", sampling.TopK, "-1 (all) or at least 1");
        Require(sampling.MinP is >= 0 and <= 1, "min_p", sampling.MinP, "in 0 to 1");
        Require(sampling.RepetitionPenalty > 0 && float.IsFinite(sampling.RepetitionPenalty),
            "repetition_penalty", sampling.RepetitionPenalty, "above 0");
        Require(sampling.FrequencyPenalty is >= -2 and <= 2,
            "frequency_penalty", sampling.FrequencyPenalty, "in -2 to 2");
        Require(sampling.PresencePenalty is >= -2 and <= 2,
            "presence_penalty", sampling.PresencePenalty, "in -2 to 2");
        Require(sampling.MaxNewTokens >= 0, "max_new_tokens", sampling.MaxNewTokens, "at least 0");
        Require(sampling.MinNewTokens >= 0 && sampling.MinNewTokens <= mostTokens,
            "min_new_tokens", sampling.MinNewTokens, $"in 0 to max_new_tokens ({mostTokens})");
        foreach (int token in sampling.StopTokenIds)
            CheckId("stop_token_ids", token);
        foreach ((int token, float bias) in sampling.LogitBias)
        {
            CheckId("logit_bias", token);
            Require(!float.IsNaN(bias) && !float.IsPositiveInfinity(bias), "logit_bias", bias, "a number");
        }
        if (sampling.Stop.Count > 0 && tokenizer is null)
        {
            throw new RequestException("stop",
                "stop strings need a tokenizer, and the checkpoint has none; use stop_token_ids");
        }
        if (sampling.Stop.Contains(""))
            throw new RequestException("stop", "an empty string is met everywhere; leave it out");
    }

    private int[] StopIds(SamplingParams sampling)
    {
        IEnumerable<int> ids = sampling.IgnoreEos
            ? sampling.StopTokenIds
            : sampling.StopTokenIds.Concat(model.EosTokenIds);
        return [.. ids.Distinct().Order()];
    }

    private void CheckId(string field, int token)
    {
        if ((uint)token >= (uint)model.VocabularySize)
            throw new RequestException(field, $"token id {token} is not in 0 to {model.VocabularySize - 1}");
    }

    private static void Require<T>(bool holds, string field, T value, string allowed)
    {
        if (!holds)
            throw new RequestException(field, $"{value} is not allowed; it must be {allowed}");
    }
}
