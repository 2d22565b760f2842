namespace PdEngine;

/// <summary>
/// GPT-2's way to write any byte as a printable character: printable Latin-1 stands for itself, the other 68
/// bytes
/// are U+0100 and up in byte order.
/// </summary>
internal static class ByteAlphabet
{
    private const int FirstShifted = 0x100;

    private static readonly short[] ByteOfCharacter = Build();

    /// <summary>
    /// Writes the bytes that a token spells; false where a character is outside the alphabet.
    /// </summary>
    /// <param name="token">Well-formed UTF-8.</param>
    /// <param name="bytes">At least as long as <paramref name="token"/>.</param>
    /// <param name="count">Bytes written.</param>
    public static bool TryDecode(ReadOnlySpan<byte> token, Span<byte> bytes, out int count)
    {
        count = 0;
        for (int at = 0; at < token.Length;)
        {
            int character = Utf8.Decode(token, at, out int length);
            if (character >= ByteOfCharacter.Length || ByteOfCharacter[character] < 0)
                return false;
            bytes[count++] = (byte)ByteOfCharacter[character];
            at += length;
        }
        return true;
    }

    private static short[] Build()
    {
        List<short> table = [.. Enumerable.Repeat((short)-1, FirstShifted)];
        for (short value = 0; value < 256; value++)
        {
            if (value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255))
                table[value] = value;
            else
                table.Add(value);
        }
        return [.. table];
    }
}
