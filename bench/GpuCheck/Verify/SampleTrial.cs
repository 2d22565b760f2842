namespace PdEngine.Bench;

/// <summary>Sample rows of every kind, and what two samplers may differ in.</summary>
internal static class SampleTrial
{
    /// <summary>Log-probs are sums of many exponentials in another order.</summary>
    private const float LogProbTolerance = 2e-4f;

    /// <summary>Greedy, plain, filtered and penalised rows, draws and scores, by turns.</summary>
    public static SampleBatch Rows(Random random, int count, int vocabulary)
    {
        SampleBatch samples = new();
        for (int i = 0; i < count; i++)
        {
            SampleRow row = new()
            {
                LogitsRow = i, Seed = (ulong)random.NextInt64(), Position = random.Next(5000), Target = -1,
                Temperature = 1, TopP = 1, TopK = -1, RepetitionPenalty = 1,
            };
            int[] history = [];
            switch (i % 6)
            {
                case 0:
                    row.Temperature = 0;
                    break;
                case 1:
                    row.Target = random.Next(vocabulary);
                    break;
                case 2:
                    row.Temperature = 0.7f;
                    row.TopP = 0.9f;
                    break;
                case 3:
                    row.TopK = 50;
                    row.MinP = 0.02f;
                    break;
                case 4:
                    history = [.. Enumerable.Range(0, 40).Select(_ => random.Next(vocabulary))];
                    row.RepetitionPenalty = 1.3f;
                    row.FrequencyPenalty = 0.4f;
                    row.PromptCount = 10;
                    break;
                default:
                    row.TopCount = Math.Min(8, vocabulary);
                    break;
            }
            samples.Add(row, history, [], [], []);
        }
        return samples;
    }

    /// <summary>One row in fifty may end its kept set elsewhere; none may have another log-prob.</summary>
    public static CheckRow Compare(string name, SampleBatch actual, SampleBatch expected, int seed)
    {
        int other = 0;
        double worst = 0;
        string? first = null;
        for (int i = 0; i < actual.RowCount; i++)
        {
            SampleResult ours = actual.Results[i], theirs = expected.Results[i];
            bool isSame = ours.Token == theirs.Token;
            double off = Math.Abs(ours.LogProb - theirs.LogProb);
            if (isSame && off <= LogProbTolerance)
            {
                worst = Math.Max(worst, off);
                continue;
            }
            other++;
            first ??= $"row {i}: token {ours.Token} at {ours.LogProb:R} instead of {theirs.Token} at "
                + $"{theirs.LogProb:R}";
        }
        CheckRow row = new CheckRow(name).With("compared", actual.RowCount).With("differing", other)
            .With("error", worst);
        if (first is null)
            return row;
        string text = $"{name}: {first}; seed {seed}";
        return other > 1 + (actual.RowCount / 50) ? row.Failed(text) : row.Noted(text);
    }
}
