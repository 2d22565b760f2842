using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>What one <see cref="SampleRow"/> makes of its logits, over the whole vocabulary.</summary>
/// <remarks>
/// Adjusting and tempering are float32, operation by operation, so that every backend ranks the same values;
/// sums and logarithms are double. A temperature below 1e-6 counts as 0.
/// </remarks>
internal sealed class ReferenceDistribution
{
    private const float LeastTemperature = 1e-6f;

    private readonly SampleRow _row;
    private readonly double _sum;

    /// <exception cref="BackendException">The row has no finite value, or an infinite one.</exception>
    public ReferenceDistribution(ReadOnlySpan<float> logits, SampleBatch samples, in SampleRow row)
    {
        _row = row;
        IsGreedy = row.Temperature < LeastTemperature;
        Raw = Values(logits, divisor: 1, row.LogitsRow);
        Tempered = Values(Adjusted(logits, samples, row), IsGreedy ? 1 : row.Temperature, row.LogitsRow);
        Ranking = RankingOf(Tempered);
        _sum = Mass(Tempered.Length);
        KeptCount = CountKept();
    }

    /// <summary>True at temperature 0.</summary>
    public bool IsGreedy { get; }

    /// <summary>Logits [vocabulary].</summary>
    public float[] Raw { get; }

    /// <summary>z' [vocabulary]: after suppressions, bias, penalties and temperature.</summary>
    public float[] Tempered { get; }

    /// <summary>All token ids by falling z', lower ids first on ties.</summary>
    public int[] Ranking { get; }

    /// <summary>How many leading tokens of the ranking top-k, top-p and min-p leave.</summary>
    public int KeptCount { get; }

    /// <summary>The probabilities [vocabulary] that a draw has; 0 for what is not kept.</summary>
    public double[] Probabilities()
    {
        double[] probabilities = new double[Tempered.Length];
        double mass = Mass(KeptCount);
        for (int rank = 0; rank < KeptCount; rank++)
            probabilities[Ranking[rank]] = Weight(Ranking[rank]) / mass;
        return probabilities;
    }

    /// <summary>
    /// Natural log-probs [vocabulary] under the row's mode; -infinity for a token that has no mass or,
    /// processed, is not kept.
    /// </summary>
    public float[] LogProbs()
    {
        LogProbMode mode = (LogProbMode)_row.LogProbMode;
        if (mode == LogProbMode.Raw)
        {
            double max = Raw.Max();
            double rawLogMass = Math.Log(Raw.Sum(value => Math.Exp(value - max)));
            return Array.ConvertAll(Raw, value => (float)(value - max - rawLogMass));
        }
        int count = mode == LogProbMode.Processed ? KeptCount : Tempered.Length;
        double logMass = Math.Log(Mass(count));
        float[] logProbs = new float[Tempered.Length];
        Array.Fill(logProbs, float.NegativeInfinity);
        for (int rank = 0; rank < count; rank++)
            logProbs[Ranking[rank]] = (float)(Distance(Ranking[rank]) - logMass);
        return logProbs;
    }

    /// <summary>
    /// The kept token with the largest z' + Gumbel, lowest id on ties; the argmax at temperature 0.
    /// </summary>
    public int Draw()
    {
        if (IsGreedy)
            return Ranking[0];
        int best = -1;
        double bestScore = double.NegativeInfinity;
        foreach (int token in Ranking.AsSpan(0, KeptCount))
        {
            double score = Tempered[token] + SamplingRng.Gumbel(_row.Seed, _row.Position, token);
            if (score > bestScore || (score == bestScore && token < best))
                (best, bestScore) = (token, score);
        }
        return best;
    }

    /// <summary>Token ids by falling value, lower ids first on ties.</summary>
    internal static int[] RankingOf(float[] values)
    {
        int[] ranking = new int[values.Length];
        for (int i = 0; i < ranking.Length; i++)
            ranking[i] = i;
        Array.Sort(ranking, (a, b) =>
        {
            int byValue = values[b].CompareTo(values[a]);
            return byValue != 0 ? byValue : a.CompareTo(b);
        });
        return ranking;
    }

    private static float[] Adjusted(ReadOnlySpan<float> logits, SampleBatch samples, in SampleRow row)
    {
        float[] z = logits.ToArray();
        foreach (int token in samples.Suppressed.Slice(row.FirstSuppressed, row.SuppressedCount))
            z[token] = float.NegativeInfinity;
        for (int i = row.FirstBias; i < row.FirstBias + row.BiasCount; i++)
            z[samples.BiasIds[i]] += samples.BiasValues[i];
        ReadOnlySpan<int> history = samples.History.Slice(row.FirstHistory, row.HistoryCount);
        HashSet<int> seen = [];
        foreach (int token in history)
        {
            if (seen.Add(token))
                z[token] = z[token] > 0 ? z[token] / row.RepetitionPenalty : z[token] * row.RepetitionPenalty;
        }
        Dictionary<int, int> outputCounts = [];
        foreach (int token in history[Math.Min(row.PromptCount, history.Length)..])
            CollectionsMarshal.GetValueRefOrAddDefault(outputCounts, token, out _)++;
        foreach ((int token, int count) in outputCounts)
            z[token] -= row.FrequencyPenalty * count + row.PresencePenalty;
        return z;
    }

    private static float[] Values(ReadOnlySpan<float> z, float divisor, int logitsRow)
    {
        float[] values = new float[z.Length];
        float max = float.NegativeInfinity;
        for (int i = 0; i < z.Length; i++)
        {
            values[i] = z[i] / divisor;
            max = float.IsNaN(z[i]) ? float.PositiveInfinity : Math.Max(max, values[i]);
            if (max == float.PositiveInfinity)
                break;
        }
        if (!float.IsFinite(max))
        {
            string what = max > 0
                ? "has an infinite value or a NaN: a weight is probably broken"
                : "has no finite value";
            throw new BackendException($"Logits row {logitsRow} {what}.");
        }
        return values;
    }

    private double Distance(int token) => (double)Tempered[token] - Tempered[Ranking[0]];

    private double Weight(int token) => Math.Exp(Distance(token));

    private double Mass(int leadingCount)
    {
        double mass = 0;
        foreach (int token in Ranking.AsSpan(0, leadingCount))
            mass += Weight(token);
        return mass;
    }

    private int CountKept()
    {
        int limit = _row.TopK > 0 ? Math.Min(_row.TopK, Ranking.Length) : Ranking.Length;
        bool sequential = (TopPMode)_row.TopPMode == TopPMode.Sequential;
        double massLimit = _row.TopP * (sequential ? Mass(limit) : _sum);
        double leastDistance = Math.Log(_row.MinP);
        double before = 0;
        for (int rank = 0; rank < limit; rank++)
        {
            int token = Ranking[rank];
            bool within = _row.TopP >= 1 || before <= massLimit;
            if (!within || Distance(token) < leastDistance)
                return rank;
            before += Weight(token);
        }
        return limit;
    }
}
