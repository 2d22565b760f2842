namespace PdEngine;

/// <summary>The plain sampler that the others are tested against: one row at a time, everything sorted.</summary>
internal static class ReferenceSampler
{
    /// <summary>As <see cref="IBackend.Sample"/>.</summary>
    /// <exception cref="BackendException">A row has no finite value, or an infinite one.</exception>
    public static void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        for (int i = first; i < first + count; i++)
        {
            SampleRow row = samples.Rows[i];
            Span<TopLogProb> tops = samples.Tops.Slice(row.FirstTop, row.TopCount);
            samples.Results[i] = SampleOne(logits.Row(row.LogitsRow - firstLogitsRow), samples, row, tops);
        }
    }

    /// <summary>The probabilities [vocabulary] that a draw of the row has.</summary>
    internal static double[] Distribution(ReadOnlySpan<float> logits, SampleBatch samples, in SampleRow row) =>
        new ReferenceDistribution(logits, samples, row).Probabilities();

    private static SampleResult SampleOne(
        ReadOnlySpan<float> logits, SampleBatch samples, in SampleRow row, Span<TopLogProb> tops)
    {
        ReferenceDistribution distribution = new(logits, samples, row);
        float[] logProbs = distribution.LogProbs();
        // Under processed the list may run past the kept set: by rank all the same, at -infinity.
        int[] ranking = (LogProbMode)row.LogProbMode == LogProbMode.Raw
            ? ReferenceDistribution.RankingOf(distribution.Raw)
            : distribution.Ranking;
        for (int rank = 0; rank < tops.Length; rank++)
            tops[rank] = new TopLogProb(ranking[rank], logProbs[ranking[rank]]);
        int token = row.Target >= 0 ? row.Target : distribution.Draw();
        return new SampleResult { Token = token, LogProb = logProbs[token] };
    }
}
