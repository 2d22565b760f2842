using System.CommandLine;

namespace PdEngine.Host;

/// <summary>A verb, as help shows it: a line in the list, and more on its own page.</summary>
/// <param name="name">What is typed.</param>
/// <param name="summary">One sentence.</param>
internal sealed class Verb(string name, string summary) : Command(name, summary)
{
    /// <summary>What its page says besides.</summary>
    public string? Details { get; init; }

    /// <summary>Whole command lines.</summary>
    public required IReadOnlyList<string> Examples { get; init; }
}
