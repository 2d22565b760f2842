namespace PdEngine;

/// <summary>
/// A template that cannot be parsed or rendered; its caller turns it into a typed error of the engine.
/// </summary>
internal sealed class JinjaException : Exception
{
    public JinjaException(string message, int? line = null)
        : base(message)
    {
        Line = line;
    }

    /// <summary>Line of the template, from 1; null where only the renderer knows it.</summary>
    public int? Line { get; }
}
