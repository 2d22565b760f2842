using System.Runtime.CompilerServices;

namespace PdEngine;

/// <summary>Reads and writes code points of UTF-8 that is known to be well formed.</summary>
internal static class Utf8
{
    /// <summary>The code point at an index of well-formed text.</summary>
    public static int Decode(ReadOnlySpan<byte> text, int at, out int length)
    {
        int lead = text[at];
        switch (lead)
        {
            case < 0x80:
                length = 1;
                return lead;
            case < 0xE0:
                length = 2;
                return (lead & 0x1F) << 6 | (text[at + 1] & 0x3F);
            case < 0xF0:
                length = 3;
                return (lead & 0x0F) << 12 | (text[at + 1] & 0x3F) << 6 | (text[at + 2] & 0x3F);
            default:
                length = 4;
                return (lead & 0x07) << 18 | (text[at + 1] & 0x3F) << 12 | (text[at + 2] & 0x3F) << 6
                    | (text[at + 3] & 0x3F);
        }
    }

    /// <summary>The code point that ends before an index.</summary>
    public static int DecodeBefore(ReadOnlySpan<byte> text, int end, out int length)
    {
        int at = end - 1;
        while (at > 0 && (text[at] & 0xC0) == 0x80)
            at--;
        return Decode(text, at, out length);
    }

    /// <summary>Class flags of the code point at an index; 0 with length 0 at the end of the text.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte Classify(ReadOnlySpan<byte> text, int at, out int length)
    {
        if ((uint)at >= (uint)text.Length)
        {
            length = 0;
            return 0;
        }
        byte lead = text[at];
        if (lead < 0x80)
        {
            length = 1;
            return CodePointClass.OfAscii(lead);
        }
        return CodePointClass.Of(Decode(text, at, out length));
    }
}
