using System.Globalization;
using System.Text;

namespace PdEngine;

/// <summary>The spelling <c>&lt;0xHH&gt;</c> of a token that stands for one byte.</summary>
internal static class ByteToken
{
    public static byte[] Text(byte value) => Encoding.UTF8.GetBytes($"<0x{value:X2}>");

    public static bool TryParse(ReadOnlySpan<byte> token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x"u8) && token[5] == '>'
            && byte.TryParse(
                token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
