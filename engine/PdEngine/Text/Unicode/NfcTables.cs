namespace PdEngine;

/// <summary>
/// Canonical decompositions, compositions and combining classes. Own tables, because with
/// InvariantGlobalization
/// <see cref="string.Normalize()"/> returns its input unchanged and says nothing.
/// </summary>
internal static partial class NfcTables
{
    /// <summary>Class of a starter that NFC may change or that may join the code point before it.</summary>
    public const byte UnstableStarter = 255;

    private const int BlockBits = 8;
    private const int BlockSize = 1 << BlockBits;

    private static readonly ushort[] BlockOf = new ushort[0x110000 >> BlockBits];
    private static readonly Dictionary<int, (int First, int Second)> Decompositions = [];
    private static readonly Dictionary<long, int> Compositions = [];
    private static readonly byte[] Classes = Build();

    /// <summary>
    /// 0: stands alone (NFC keeps it and nothing before it can absorb it); 1 to 254: its combining class;
    /// <see cref="UnstableStarter"/>: combining class 0, but not to be skipped.
    /// </summary>
    public static byte Class(int codePoint) =>
        Classes[(BlockOf[codePoint >> BlockBits] << BlockBits) | (codePoint & (BlockSize - 1))];

    /// <summary>The canonical combining class.</summary>
    public static int CombiningClass(int codePoint)
    {
        byte value = Class(codePoint);
        return value == UnstableStarter ? 0 : value;
    }

    /// <summary>
    /// One step of canonical decomposition; <paramref name="second"/> is 0 for a singleton.
    /// </summary>
    public static bool TryDecompose(int codePoint, out int first, out int second)
    {
        if (Hangul.TryDecompose(codePoint, out first, out second))
            return true;
        bool found = Decompositions.TryGetValue(codePoint, out (int First, int Second) parts);
        (first, second) = parts;
        return found;
    }

    /// <summary>The primary composite of two code points.</summary>
    public static bool TryCompose(int first, int second, out int composite) =>
        Hangul.TryCompose(first, second, out composite)
        || Compositions.TryGetValue(((long)first << 32) | (uint)second, out composite);

    private static byte[] Build()
    {
        byte[] flat = new byte[0x110000];
        ReadOnlySpan<byte> data = Convert.FromBase64String(Records);
        int codePoint = 0;
        while (data.Length > 0)
        {
            codePoint += ReadVarint(ref data);
            ReadRecord(codePoint, ref data, flat);
        }
        foreach (long pair in Compositions.Keys)
            MarkUnstable(flat, (int)pair);
        Hangul.MarkJoining(flat);
        return Fold(flat);
    }

    private static void ReadRecord(int codePoint, ref ReadOnlySpan<byte> data, byte[] flat)
    {
        int flags = data[0];
        data = data[1..];
        if ((flags & 8) != 0)
        {
            flat[codePoint] = data[0];
            data = data[1..];
        }
        int parts = flags & 3;
        if (parts == 0)
            return;
        int first = codePoint + ReadZigzag(ref data);
        int second = parts == 2 ? codePoint + ReadZigzag(ref data) : 0;
        Decompositions[codePoint] = (first, second);
        if ((flags & 4) != 0)
            Compositions[((long)first << 32) | (uint)second] = codePoint;
        else
            MarkUnstable(flat, codePoint);
    }

    private static void MarkUnstable(byte[] flat, int codePoint)
    {
        if (flat[codePoint] == 0)
            flat[codePoint] = UnstableStarter;
    }

    private static int ReadZigzag(ref ReadOnlySpan<byte> data)
    {
        int value = ReadVarint(ref data);
        return (value >> 1) ^ -(value & 1);
    }

    private static int ReadVarint(ref ReadOnlySpan<byte> data)
    {
        int value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = data[0];
            data = data[1..];
            value |= (part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
    }

    private static byte[] Fold(byte[] flat)
    {
        List<byte> blocks = [.. new byte[BlockSize]];
        for (int block = 0; block < BlockOf.Length; block++)
        {
            ReadOnlySpan<byte> content = flat.AsSpan(block << BlockBits, BlockSize);
            if (!content.ContainsAnyExcept((byte)0))
                continue;
            BlockOf[block] = (ushort)(blocks.Count >> BlockBits);
            blocks.AddRange(content);
        }
        return [.. blocks];
    }
}
