using System.Text.Json;

namespace PdEngine.Host;

/// <summary>The results of a rollout, for programs: an object a sample, then one of the whole.</summary>
internal static class RolloutJson
{
    public static void Write(Stream target, RolloutOutcome outcome)
    {
        foreach (RolloutSample sample in outcome.Samples)
            WriteLine(target, json => WriteSample(json, outcome, sample));
        WriteLine(target, json => WriteSummary(json, outcome));
    }

    private static void WriteLine(Stream target, Action<Utf8JsonWriter> write)
    {
        using (Utf8JsonWriter json = new(target, AnswerWriter.Style))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        target.WriteByte((byte)'\n');
    }

    private static void WriteSample(Utf8JsonWriter json, RolloutOutcome outcome, RolloutSample sample)
    {
        json.WriteNumber("rollout_id", sample.RolloutId);
        json.WriteNumber("index", sample.Index);
        json.WriteString("status", NameOf(sample.Status));
        if (sample.Reward is { } reward)
            json.WriteNumber("reward", reward);
        else
            json.WriteNull("reward");
        json.WriteBoolean("success", RolloutGames.Succeeded(sample));
        json.WriteNumber("turns", sample.Turns.Count);
        json.WriteString("text", sample.Text);
        WriteNumbers(json, "tokens", sample.Tokens);
        json.WriteNumber("response_length", sample.ResponseLength);
        WriteNumbers(json, "loss_mask", [.. sample.LossMask.Select(mask => (int)mask)]);
        json.WriteStartArray("rollout_log_probs");
        foreach (float logProb in sample.LogProbs)
            json.WriteNumberValue(Math.Max(logProb, float.MinValue));
        json.WriteEndArray();
        json.WriteString("weight_version", sample.WeightVersion);
        AnswerWriter.WriteVersionRuns(json, sample.WeightVersions);
        json.WriteBoolean("mixed_kv", sample.HasMixedKv);
        WriteMoves(json, outcome.Tally.Of(sample));
        if (sample.Error is { } error)
            json.WriteString("error", error.Message);
    }

    private static void WriteSummary(Utf8JsonWriter json, RolloutOutcome outcome)
    {
        json.WriteString("env", outcome.Environment);
        json.WriteNumber("samples", outcome.Samples.Count);
        foreach (RolloutStatus status in Enum.GetValues<RolloutStatus>())
            json.WriteNumber(NameOf(status), outcome.Samples.Count(sample => sample.Status == status));
        json.WriteNumber("success", outcome.SuccessRate);
        json.WriteNumber("reward", outcome.RewardMean);
        json.WriteNumber("turns_mean", outcome.TurnsMean);
        json.WriteNumber("seconds", outcome.Seconds);
        RolloutMoves sum = outcome.Tally.Sum();
        json.WriteNumber("tokens_per_second", sum.DrawnTokens / Math.Max(outcome.Seconds, 1e-3));
        WriteSpread(json, "ttft_ms", outcome.Tally.FirstTokenMs());
        WriteSpread(json, "handoff_ms", outcome.Tally.HandoffMs());
        json.WriteNumber("turns", sum.Turns);
        WriteMoves(json, sum);
        if (outcome.ScoreDifference is { } difference)
            json.WriteNumber("logprob_diff_score", difference);
        else
            json.WriteNull("logprob_diff_score");
        json.WriteNumber("scored_tokens", outcome.ScoredTokens);
        json.WriteNumber("mixed_kv_samples", outcome.MixedKvCount);
    }

    private static void WriteMoves(Utf8JsonWriter json, RolloutMoves moves)
    {
        json.WriteNumber("drawn_tokens", moves.DrawnTokens);
        json.WriteNumber("prompt_tokens", moves.PromptTokens);
        json.WriteNumber("cached_tokens", moves.CachedTokens);
        WriteNames(json, "prefill_workers", moves.PrefillWorkers);
        WriteNames(json, "decode_workers", moves.DecodeWorkers);
        json.WriteNumber("handoffs", moves.Handoffs);
        json.WriteNumber("handoff_blocks", moves.HandoffBlocks);
        json.WriteNumber("transfer_bytes", moves.TransferBytes);
        json.WriteNumber("handoff_ns", moves.HandoffNs);
    }

    private static void WriteSpread(Utf8JsonWriter json, string name, Spread spread)
    {
        json.WriteNumber($"{name}_mean", spread.Mean);
        json.WriteNumber($"{name}_p50", spread.Median);
        json.WriteNumber($"{name}_max", spread.Most);
    }

    private static void WriteNumbers(Utf8JsonWriter json, string field, IReadOnlyList<int> numbers)
    {
        json.WriteStartArray(field);
        foreach (int number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static void WriteNames(Utf8JsonWriter json, string field, List<string> names)
    {
        json.WriteStartArray(field);
        names.ForEach(json.WriteStringValue);
        json.WriteEndArray();
    }

    private static string NameOf(RolloutStatus status) => status.ToString().ToLowerInvariant();
}
