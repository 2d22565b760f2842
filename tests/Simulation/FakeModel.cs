using System.Runtime.InteropServices;

namespace PdEngine.Tests;

/// <summary>
/// A model without weights: what follows a run of tokens is a hash of them, of the number of the weights that
/// each was computed with and that computes now, and of everything a sample row says. The runner hashes what
/// it reads back from the KV slots, the oracle hashes the tokens themselves.
/// </summary>
internal static class FakeModel
{
    public const int VocabularySize = 211;

    /// <summary>A token that completes a stop string, where the request has one.</summary>
    public static bool EndsStopString(int token) => token % 53 == 7;

    /// <summary>K and V of a token, computed with weights of a number.</summary>
    public static int Kv(int token, int epoch) => token + (epoch * VocabularySize);

    public static ulong Start => 0x9E3779B97F4A7C15;

    public static ulong Fold(ulong hash, int value)
    {
        hash = (hash ^ (uint)value) * 0xFF51AFD7ED558CCD;
        return hash ^ (hash >> 29);
    }

    public static ulong Fold(ulong hash, ReadOnlySpan<int> values)
    {
        foreach (int value in values)
            hash = Fold(hash, value);
        return Fold(hash, values.Length);
    }

    /// <summary>Draws or scores one row from the hash of the tokens before it.</summary>
    public static SampleResult Sample(
        ulong context, in SampleRow row, ReadOnlySpan<int> history, ReadOnlySpan<int> biasIds,
        ReadOnlySpan<float> biasValues, ReadOnlySpan<int> suppressed, Span<TopLogProb> tops)
    {
        ulong hash = Fold(Fold(context, (int)row.Seed), row.Position);
        hash = Fold(Fold(hash, BitConverter.SingleToInt32Bits(row.Temperature)), row.TopK);
        hash = Fold(Fold(hash, history), row.PromptCount);
        hash = Fold(Fold(hash, biasIds), MemoryMarshal.Cast<float, int>(biasValues));
        hash = Fold(hash, suppressed);
        int token = row.Target;
        if (token < 0)
        {
            token = (int)(hash % VocabularySize);
            while (suppressed.Contains(token))
                token = (token + 1) % VocabularySize;
        }
        for (int i = 0; i < tops.Length; i++)
            tops[i] = new(i, LogProb(Fold(hash, -1 - i)));
        return new() { Token = token, LogProb = LogProb(Fold(hash, token)) };
    }

    private static float LogProb(ulong hash) => -(float)(hash % 1_000_000) / 65536;
}
