namespace PdEngine;

/// <summary>Equality of token runs, so that a span finds its entry without a copy.</summary>
internal sealed class TokenRunComparer
    : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
{
    public static TokenRunComparer Instance { get; } = new();

    public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(int[] obj) => GetHashCode(obj.AsSpan());

    public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<int> alternate)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (int token in alternate)
            hash = (hash ^ (uint)token) * 0x100000001B3;
        return (int)(hash ^ (hash >> 32));
    }

    public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();
}
