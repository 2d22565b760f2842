namespace PdEngine.Host;

/// <summary>Examples behind a verb's description.</summary>
internal static class Usage
{
    public const string Heading = "Examples:";

    public static string With(string description, params ReadOnlySpan<string> lines) =>
        $"{description}{Environment.NewLine}{Environment.NewLine}{Heading}{Environment.NewLine}  "
        + string.Join($"{Environment.NewLine}  ", lines!);
}
