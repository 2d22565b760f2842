namespace PdEngine;

/// <summary>What is made fit for one line of a message: text that is not trusted, sizes.</summary>
internal static class Shown
{
    private const int MaxCharacters = 100;

    /// <summary>Bytes in the unit that leaves two to four digits before the point, for example
    /// <c>35 MB</c>.</summary>
    public static string Bytes(double bytes) => bytes switch
    {
        >= 1e10 => $"{bytes / 1e9:F0} GB",
        >= 1e7 => $"{bytes / 1e6:F0} MB",
        >= 1e4 => $"{bytes / 1e3:F0} kB",
        _ => $"{bytes:F0} bytes",
    };

    /// <summary>At most a line of it, control characters and halves of pairs replaced.</summary>
    public static string Line(string text, int maxCharacters = MaxCharacters)
    {
        string line = string.Create(Math.Min(text.Length, maxCharacters), text, (span, source) =>
        {
            for (int index = 0; index < span.Length; index++)
            {
                char letter = source[index];
                span[index] = char.IsControl(letter) || char.IsSurrogate(letter) ? '?' : letter;
            }
        });
        return text.Length > maxCharacters ? line + "..." : line;
    }
}
