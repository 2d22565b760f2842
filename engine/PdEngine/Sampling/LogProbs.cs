namespace PdEngine;

/// <summary>Takes the log-probs of a batch's rows over into its sequences.</summary>
internal static class LogProbs
{
    public static void StoreInput(Sequence sequence, SampleBatch samples, SliceRows rows)
    {
        for (int row = rows.FirstRow; row < rows.FirstRow + rows.ScoreCount; row++)
        {
            sequence.InputLogProbs.Add(samples.Results[row].LogProb);
            sequence.InputTopLogProbs.AddRange(Tops(samples, row));
        }
    }

    public static void StoreOutput(Sequence sequence, SampleBatch samples, int row)
    {
        if (!sequence.Request.ReturnLogProb)
            return;
        sequence.OutputLogProbs.Add(samples.Results[row].LogProb);
        sequence.OutputTopLogProbs.AddRange(Tops(samples, row));
    }

    private static ReadOnlySpan<TopLogProb> Tops(SampleBatch samples, int row) =>
        samples.Tops.Slice(samples.Rows[row].FirstTop, samples.Rows[row].TopCount);
}
