namespace PdEngine;

/// <summary>Text out of a file that is not trusted, made fit for one line of a message.</summary>
internal static class Shown
{
    private const int MaxCharacters = 100;

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
