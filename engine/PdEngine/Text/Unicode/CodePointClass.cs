using System.Globalization;
using System.Runtime.CompilerServices;

namespace PdEngine;

/// <summary>
/// The Unicode properties that pre-tokenizer patterns ask for, as one byte of flags per code point.
/// </summary>
internal static class CodePointClass
{
    /// <summary>Category L.</summary>
    public const byte Letter = 1;

    /// <summary>Category N.</summary>
    public const byte Number = 2;

    /// <summary>Property White_Space.</summary>
    public const byte Space = 4;

    /// <summary>Carriage return or line feed.</summary>
    public const byte Newline = 8;

    /// <summary>Category M.</summary>
    public const byte Mark = 16;

    /// <summary>Categories P and S.</summary>
    public const byte Symbol = 32;

    /// <summary>Categories Lu, Lt, Lm, Lo, M.</summary>
    public const byte UpperLike = 64;

    /// <summary>Categories Ll, Lm, Lo, M.</summary>
    public const byte LowerLike = 128;

    private const int BlockSize = 256;

    private static readonly ushort[] BlockOf = new ushort[0x110000 / BlockSize];
    private static readonly byte[] Flags = Build();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte Of(int codePoint) =>
        Flags[(BlockOf[codePoint >> 8] << 8) | (codePoint & (BlockSize - 1))];

    /// <summary>Flags of a code point under U+0080.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte OfAscii(byte codePoint) => Flags[codePoint];

    /// <summary>
    /// Whether a code point is a word character: alphabetic, mark, decimal digit, connector or joiner.
    /// </summary>
    public static bool IsWord(int codePoint) =>
        CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            <= UnicodeCategory.LetterNumber => true,
            UnicodeCategory.ConnectorPunctuation => true,
            // The circled and squared Latin letters are symbols by category, yet alphabetic.
            UnicodeCategory.OtherSymbol => codePoint is >= 0x24B6 and <= 0x24E9 or >= 0x1F130 and <= 0x1F149
                or >= 0x1F150 and <= 0x1F169 or >= 0x1F170 and <= 0x1F189,
            UnicodeCategory.Format => codePoint is 0x200C or 0x200D,
            _ => false,
        };

    private static byte[] Build()
    {
        List<byte[]> blocks = [];
        byte[] block = new byte[BlockSize];
        for (int index = 0; index < BlockOf.Length; index++)
        {
            for (int low = 0; low < BlockSize; low++)
                block[low] = Compute(index * BlockSize + low);
            int known = blocks.FindLastIndex(other => block.AsSpan().SequenceEqual(other));
            if (known < 0)
            {
                known = blocks.Count;
                blocks.Add([.. block]);
            }
            BlockOf[index] = (ushort)known;
        }
        return [.. blocks.SelectMany(bytes => bytes)];
    }

    private static byte Compute(int codePoint)
    {
        int flags = CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => Letter | UpperLike,
            UnicodeCategory.LowercaseLetter => Letter | LowerLike,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Letter | UpperLike | LowerLike,
            >= UnicodeCategory.NonSpacingMark and <= UnicodeCategory.EnclosingMark =>
                Mark | UpperLike | LowerLike,
            >= UnicodeCategory.DecimalDigitNumber and <= UnicodeCategory.OtherNumber => Number,
            >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherSymbol => Symbol,
            _ => 0,
        };
        if (IsSpace(codePoint))
            flags |= Space;
        if (codePoint is '\r' or '\n')
            flags |= Newline;
        return (byte)flags;
    }

    // Every code point with White_Space is in the first plane.
    private static bool IsSpace(int codePoint) => codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint);
}
