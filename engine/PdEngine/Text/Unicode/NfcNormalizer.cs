using System.Text;

namespace PdEngine;

/// <summary>Normalization form C over UTF-8; most text has nothing to change.</summary>
internal static class NfcNormalizer
{
    /// <summary>First byte of U+0300; below it every code point stands alone.</summary>
    private const byte FirstUnstableLead = 0xCC;

    /// <summary>
    /// Writes the text in NFC to an empty buffer; false, with nothing written, where it is in NFC.
    /// </summary>
    /// <param name="text">Well-formed UTF-8.</param>
    /// <param name="output">Where the changed text goes.</param>
    public static bool TryNormalize(ReadOnlySpan<byte> text, ByteBuffer output)
    {
        int unstable = FindUnstable(text, 0);
        if (unstable < 0)
            return false;
        List<int> region = [];
        int copied = 0;
        while (unstable >= 0)
        {
            // What stands alone may still absorb what follows it, so the region starts one code point early.
            int start = unstable;
            if (unstable > copied)
            {
                Utf8.DecodeBefore(text, unstable, out int length);
                start -= length;
            }
            int end = FindStable(text, unstable);
            output.Add(text[copied..start]);
            WriteRegion(text[start..end], region, output);
            copied = end;
            unstable = FindUnstable(text, end);
        }
        output.Add(text[copied..]);
        return true;
    }

    private static int FindUnstable(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length)
        {
            int skip = text[at..].IndexOfAnyInRange(FirstUnstableLead, byte.MaxValue);
            if (skip < 0)
                return -1;
            at += skip;
            while (at < text.Length && text[at] >= FirstUnstableLead)
            {
                if (NfcTables.Class(Utf8.Decode(text, at, out int length)) != 0)
                    return at;
                at += length;
            }
        }
        return -1;
    }

    private static int FindStable(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length)
        {
            if (NfcTables.Class(Utf8.Decode(text, at, out int length)) == 0)
                return at;
            at += length;
        }
        return at;
    }

    private static void WriteRegion(ReadOnlySpan<byte> text, List<int> region, ByteBuffer buffer)
    {
        region.Clear();
        for (int at = 0; at < text.Length;)
        {
            Decompose(Utf8.Decode(text, at, out int length), region);
            at += length;
        }
        Reorder(region);
        Compose(region);
        Span<byte> encoded = stackalloc byte[4];
        foreach (int codePoint in region)
            buffer.Add(encoded[..new Rune(codePoint).EncodeToUtf8(encoded)]);
    }

    private static void Decompose(int codePoint, List<int> region)
    {
        if (!NfcTables.TryDecompose(codePoint, out int first, out int second))
        {
            region.Add(codePoint);
            return;
        }
        Decompose(first, region);
        if (second != 0)
            Decompose(second, region);
    }

    private static void Reorder(List<int> region)
    {
        for (int at = 0; at < region.Count;)
        {
            int end = at;
            while (end < region.Count && NfcTables.CombiningClass(region[end]) != 0)
                end++;
            if (end - at > 1)
                SortMarks(region, at, end);
            at = end + 1;
        }
    }

    // Stable and never quadratic: a hostile text may hold a million marks in a row.
    private static void SortMarks(List<int> region, int start, int end)
    {
        long[] keys = new long[end - start];
        int[] marks = new int[end - start];
        for (int index = 0; index < keys.Length; index++)
        {
            marks[index] = region[start + index];
            keys[index] = ((long)NfcTables.CombiningClass(marks[index]) << 32) | (uint)index;
        }
        Array.Sort(keys, marks);
        for (int index = 0; index < marks.Length; index++)
            region[start + index] = marks[index];
    }

    private static void Compose(List<int> region)
    {
        int starter = 0;
        int written = 1;
        int lastClass = NfcTables.CombiningClass(region[0]);
        // A region that starts with a mark has no starter to compose with yet.
        if (lastClass != 0)
            lastClass = int.MaxValue;
        for (int at = 1; at < region.Count; at++)
        {
            int codePoint = region[at];
            int combining = NfcTables.CombiningClass(codePoint);
            bool reachable = lastClass == 0 || lastClass < combining;
            if (reachable && NfcTables.TryCompose(region[starter], codePoint, out int composite))
            {
                region[starter] = composite;
                continue;
            }
            if (combining == 0)
                starter = written;
            lastClass = combining;
            region[written++] = codePoint;
        }
        region.RemoveRange(written, region.Count - written);
    }
}
