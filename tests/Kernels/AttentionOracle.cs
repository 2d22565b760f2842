using System.Numerics;
using System.Runtime.InteropServices;

namespace PdEngine.Tests;

/// <summary>Attention by its definition, in double.</summary>
internal static class AttentionOracle
{
    /// <summary>Asserts that every row of a result is within rounding of the definition.</summary>
    public static void Check(
        AttentionSetup setup, AttentionSequence sequence, int start, int count, float[] actual, string what)
    {
        double[] row = new double[setup.HeadDim];
        for (int query = 0; query < count; query++)
        {
            for (int head = 0; head < setup.Heads; head++)
            {
                double tolerance = Row(setup, sequence, start + query, head, row);
                int at = (query * setup.QueryColumns) + (head * setup.HeadDim);
                for (int dim = 0; dim < setup.HeadDim; dim++)
                {
                    if (!(Math.Abs(actual[at + dim] - row[dim]) <= tolerance))
                        Assert.Fail(
                            $"{what}, {setup}: position {start + query}, head {head}, dim {dim} is "
                            + $"{actual[at + dim]:R}, not {row[dim]:R} +- {tolerance:g3}");
                }
            }
        }
    }

    /// <summary>Asserts that two results have the same bits and are finite.</summary>
    public static void AssertSame(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, string what)
    {
        ReadOnlySpan<uint> left = MemoryMarshal.Cast<float, uint>(actual);
        ReadOnlySpan<uint> right = MemoryMarshal.Cast<float, uint>(expected);
        Assert.That(left.Length, Is.EqualTo(right.Length), what);
        int same = left.CommonPrefixLength(right);
        if (same < left.Length)
            Assert.Fail($"{what}: element {same} is {actual[same]:R} here and {expected[same]:R} there");
        foreach (float value in actual)
        {
            if (!float.IsFinite(value))
                Assert.Fail($"{what}: holds {value}");
        }
    }

    /// <summary>
    /// One row; returns what float32 chains over the head and the keys may be off by. Sets of bf16 products
    /// round the scaled queries, as is done here too, and the weights, which adds to what they may be off by.
    /// </summary>
    private static double Row(
        AttentionSetup setup, AttentionSequence sequence, int position, int head, double[] row)
    {
        int oldest = setup.Oldest(position), count = position + 1 - oldest, dims = setup.HeadDim;
        int column = head / setup.Group * dims;
        bool rounds = setup.Isa is AttentionIsa.Avx512Bf16 or AttentionIsa.Amx
            or AttentionIsa.AmxEmulated;
        double[] query = Query(
            sequence.Queries.AsSpan((position * setup.QueryColumns) + (head * dims), dims), setup.Scale,
            rounds);
        double[] weights = new double[count];
        double largest = double.NegativeInfinity, magnitude = 0, sum = 0, widest = 0;
        double weighted = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> key = sequence.Keys.AsSpan(((oldest + i) * setup.KvColumns) + column, dims);
            (weights[i], double parts) = Score(query, key);
            magnitude = Math.Max(magnitude, parts);
            largest = Math.Max(largest, weights[i]);
        }
        Array.Clear(row);
        for (int i = 0; i < count; i++)
        {
            double weight = Math.Exp(weights[i] - largest);
            sum += weight;
            int at = ((oldest + i) * setup.KvColumns) + column;
            ReadOnlySpan<float> value = sequence.Values.AsSpan(at, dims);
            double widestHere = Add(weight, value, row);
            widest = Math.Max(widest, widestHere);
            weighted += weight * widestHere;
        }
        for (int d = 0; d < dims; d++)
            row[d] /= sum;
        return (widest * (2e-6 + (1e-6 * magnitude))) + (rounds ? weighted / sum / 256 : 0);
    }

    /// <summary>A product, and the sum of its terms' magnitudes.</summary>
    private static (double Score, double Magnitude) Score(
        ReadOnlySpan<double> query, ReadOnlySpan<float> key)
    {
        Vector<double> scores = default, magnitudes = default;
        int d = 0;
        for (; d + Vector<float>.Count <= key.Length; d += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(key[d..]), out Vector<double> low, out Vector<double> high);
            low *= new Vector<double>(query[d..]);
            high *= new Vector<double>(query[(d + Vector<double>.Count)..]);
            scores += low + high;
            magnitudes += Vector.Abs(low) + Vector.Abs(high);
        }
        double score = Vector.Sum(scores), magnitude = Vector.Sum(magnitudes);
        for (; d < key.Length; d++)
        {
            score += query[d] * key[d];
            magnitude += Math.Abs(query[d] * key[d]);
        }
        return (score, magnitude);
    }

    /// <summary>Adds a weighted value to a row; returns the largest magnitude of the value.</summary>
    private static double Add(double weight, ReadOnlySpan<float> value, Span<double> row)
    {
        Vector<float> widest = default;
        Vector<double> weights = new(weight);
        int d = 0;
        for (; d + Vector<float>.Count <= value.Length; d += Vector<float>.Count)
        {
            Vector<float> values = new(value[d..]);
            widest = Vector.Max(widest, Vector.Abs(values));
            Vector.Widen(values, out Vector<double> low, out Vector<double> high);
            Span<double> first = row[d..], second = row[(d + Vector<double>.Count)..];
            (new Vector<double>(first) + (weights * low)).CopyTo(first);
            (new Vector<double>(second) + (weights * high)).CopyTo(second);
        }
        float largest = 0;
        for (int lane = 0; lane < Vector<float>.Count; lane++)
            largest = Math.Max(largest, widest[lane]);
        for (; d < value.Length; d++)
        {
            row[d] += weight * value[d];
            largest = Math.Max(largest, Math.Abs(value[d]));
        }
        return largest;
    }

    /// <summary>A query times the scale, in units of e.</summary>
    private static double[] Query(ReadOnlySpan<float> query, float scale, bool rounds)
    {
        double[] scaled = new double[query.Length];
        for (int d = 0; d < scaled.Length; d++)
        {
            scaled[d] = (double)query[d] * scale;
            if (rounds)
                scaled[d] = Math.Log(2) * AttentionSequence.FromBFloat16(
                    AttentionSequence.ToBFloat16(query[d] * (scale * 1.44269504f)));
        }
        return scaled;
    }
}
