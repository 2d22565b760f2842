namespace PdEngine.Tests;

/// <summary>Rows and logits for sampling tests.</summary>
internal static class SampleRows
{
    /// <summary>A draw at temperature 1 with no filter.</summary>
    public static SampleRow Plain(int logitsRow, ulong seed = 1, int position = 0) => new()
    {
        LogitsRow = logitsRow, Seed = seed, Position = position, Target = -1, Temperature = 1, TopP = 1, TopK = -1,
        RepetitionPenalty = 1,
    };

    public static SampleRow Greedy(int logitsRow) => Plain(logitsRow) with { Temperature = 0 };

    public static SampleRow Score(int logitsRow, int target, LogProbMode mode = LogProbMode.Tempered) =>
        Plain(logitsRow) with { Target = target, LogProbMode = (int)mode };

    public static void Add(this SampleBatch samples, SampleRow row) => samples.Add(row, [], [], [], []);

    /// <summary>One row of logits.</summary>
    public static Tensor Logits(params float[] values)
    {
        Tensor logits = new(1, values.Length);
        values.CopyTo(logits.Row(0));
        return logits;
    }

    /// <summary>Rows of normal logits; row r has the spread scales[r % length].</summary>
    public static Tensor Normal(Random random, int rows, int vocabulary, params double[] scales)
    {
        Tensor logits = new(rows, vocabulary);
        for (int r = 0; r < rows; r++)
        {
            Span<float> row = logits.Row(r);
            for (int i = 0; i < vocabulary; i++)
            {
                double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
                row[i] = (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()) * scales[r % scales.Length]);
            }
        }
        return logits;
    }

    /// <summary>Adds a row with parameters, penalties and lists drawn at random.</summary>
    public static void AddRandom(this SampleBatch samples, Random random, int logitsRow, int vocabulary)
    {
        T Pick<T>(params T[] choices) => choices[random.Next(choices.Length)];
        int[] Ids(int most)
        {
            int[] ids = new int[random.Next(most + 1)];
            for (int i = 0; i < ids.Length; i++)
                ids[i] = random.Next(vocabulary);
            return ids;
        }
        SampleRow row = Plain(logitsRow, (ulong)random.NextInt64(), random.Next(100_000)) with
        {
            Target = Pick(-1, -1, -1, random.Next(vocabulary)), TopCount = Pick(0, 0, 1, Math.Min(20, vocabulary)),
            Temperature = Pick(0f, 0.3f, 1f, 1f, 0.7f, 1.7f), TopP = Pick(1f, 1f, 0.9f, 0.5f, 0.999f, 1e-4f),
            MinP = Pick(0f, 0f, 0.02f, 0.3f), TopK = Pick(-1, -1, 1, 50, 700, vocabulary + 3),
            TopPMode = random.Next(2), LogProbMode = random.Next(3),
        };
        int[] history = Pick(true, false) ? Ids(60) : [];
        if (history.Length > 0)
        {
            row.RepetitionPenalty = Pick(1f, 1.3f, 0.7f);
            row.FrequencyPenalty = Pick(0f, 0.4f, -0.2f);
            row.PresencePenalty = Pick(0f, 0.6f, -0.3f);
            row.PromptCount = random.Next(history.Length + 1);
        }
        int[] biasIds = Pick(true, false) ? [.. Ids(8).Distinct()] : [];
        float[] bias = Array.ConvertAll(biasIds, _ => Pick(-100f, 2.5f, 5f, float.NegativeInfinity));
        int[] suppressed = Ids(2);
        if (vocabulary < 100)
            (biasIds, bias, suppressed) = ([], [], []);
        samples.Add(row, history, biasIds, bias, suppressed);
    }
}
