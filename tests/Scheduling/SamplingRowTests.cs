namespace PdEngine.Tests;

public sealed class SamplingRowTests
{
    [Test]
    public void Rows_of_a_scored_prompt_share_one_history_and_end_with_the_draw()
    {
        Dictionary<int, float> bias = new() { [8] = 1, [3] = 2 };
        Request request = NewRequest(new() { RepetitionPenalty = 2, LogitBias = bias });
        ForwardBatch batch = Build(request with { LogProbStart = 2 }, cachedTokens: 0);
        ReadOnlySpan<SampleRow> rows = batch.Samples.Rows;
        Assert.That(rows.ToArray().Select(r => r.Target), Is.EqualTo((int[])[13, 14, 15, -1]));
        Assert.That(rows.ToArray().Select(r => r.Position), Is.EqualTo((int[])[3, 4, 5, 6]));
        Assert.That(rows.ToArray().Select(r => r.HistoryCount), Is.EqualTo((int[])[3, 4, 5, 6]));
        Assert.That(rows.ToArray().Select(r => r.PromptCount), Is.EqualTo((int[])[3, 4, 4, 4]));
        Assert.That(batch.Samples.History.ToArray(), Is.EqualTo((int[])[10, 11, 12, 13, 14, 15]));
        Assert.That(batch.Samples.BiasIds.ToArray(), Is.EqualTo((int[])[3, 8]));
        Assert.That(batch.Samples.BiasValues.ToArray(), Is.EqualTo((float[])[2, 1]));
        Assert.That(batch.WantedTokens.ToArray(), Is.EqualTo((int[])[2, 3, 4, 5]));
    }

    [Test]
    public void Stop_ids_are_suppressed_from_the_first_response_token_for_min_new_tokens()
    {
        Request request = NewRequest(new() { MinNewTokens = 1 });
        ForwardBatch batch = Build(request with { LogProbStart = 0 }, cachedTokens: 0);
        SampleRow[] rows = batch.Samples.Rows.ToArray();
        Assert.That(rows.Select(r => r.Position), Is.EqualTo((int[])[1, 2, 3, 4, 5, 6]));
        Assert.That(rows.Select(r => r.SuppressedCount), Is.EqualTo((int[])[0, 0, 0, 2, 0, 0]));
        Assert.That(batch.Samples.Suppressed.ToArray(), Is.EqualTo((int[])[20, 30]));
    }

    [Test]
    public void A_plain_draw_carries_no_history_bias_or_suppression()
    {
        ForwardBatch batch = Build(NewRequest(new()), cachedTokens: 4);
        SampleRow row = batch.Samples.Rows[0];
        Assert.That(batch.Samples.RowCount, Is.EqualTo(1));
        Assert.That(batch.WantedTokens.ToArray(), Is.EqualTo((int[])[1]));
        Assert.That((row.HistoryCount, row.BiasCount, row.SuppressedCount), Is.EqualTo((0, 0, 0)));
        Assert.That((row.Seed, row.TopK, row.TopP), Is.EqualTo((7UL, -1, 1f)));
    }

    [Test]
    public void A_stop_id_goes_before_a_stop_string_and_both_before_the_length()
    {
        Sequence sequence = NewSequence(NewRequest(new() { MaxNewTokens = 1 }));
        sequence.Append(30);
        Assert.That(StopRule.Apply(sequence, "text", 100), Is.EqualTo(FinishReason.Stop));
        Assert.That(sequence.MatchedStopId, Is.EqualTo(30));
        Assert.That(sequence.MatchedStopText, Is.Null);

        sequence = NewSequence(NewRequest(new() { MaxNewTokens = 1 }));
        sequence.Append(31);
        Assert.That(StopRule.Apply(sequence, "text", 100), Is.EqualTo(FinishReason.Stop));
        Assert.That((sequence.MatchedStopId, sequence.MatchedStopText), Is.EqualTo(((int?)null, "text")));

        sequence = NewSequence(NewRequest(new() { MaxNewTokens = 2 }));
        sequence.Append(31);
        Assert.That(StopRule.Apply(sequence, null, 100), Is.Null);
        Assert.That(StopRule.Apply(sequence, null, 7), Is.EqualTo(FinishReason.Length));
        sequence.Append(31);
        Assert.That(StopRule.Apply(sequence, null, 100), Is.EqualTo(FinishReason.Length));
    }

    /// <summary>A rollout of 4 prompt and 2 response tokens.</summary>
    private static Request NewRequest(SamplingParams sampling) => new()
    {
        Id = new(1),
        PromptTokens = (int[])[10, 11, 12, 13, 14, 15],
        Seed = 7,
        StopTokenIds = [20, 30],
        PenaltyPromptCount = 4,
        Sampling = sampling,
    };

    private static Sequence NewSequence(Request request) =>
        new(request, new SimulatedCall(request), submittedTicks: 1);

    private static ForwardBatch Build(Request request, int cachedTokens)
    {
        Sequence sequence = NewSequence(request);
        for (int i = 0; i < 3; i++)
            sequence.Blocks.Add(i);
        sequence.ComputedCount = cachedTokens;
        ForwardBatch batch = new();
        BatchBuilder.Add(batch, sequence, 6 - cachedTokens, pageSize: 2);
        return batch;
    }
}
