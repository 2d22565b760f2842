using System.CommandLine;
using PdEngine.Bench;

namespace PdEngine.Host;

/// <summary>The flags of benchmarks of random weights: which shape, and whether only to see it run.</summary>
/// <param name="absent">The shape where none is given.</param>
/// <param name="quick">What --quick measures.</param>
/// <param name="condition">When the shape of absence counts.</param>
internal sealed class BenchShape(string absent, string quick, string condition = "absent")
{
    private readonly Option<string?> _shape = new("--shape")
    {
        Description = $"Random weights of a real shape: {string.Join(", ", RandomModel.Shapes)}; "
            + $"{condition}: {absent}.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _quick = new("--quick")
    {
        Description = $"{quick}: says that it runs, not how fast.",
    };

    public void AddTo(Command verb)
    {
        _shape.CompletionSources.Add([.. RandomModel.Shapes]);
        verb.Options.Add(_shape);
        verb.Options.Add(_quick);
    }

    public bool IsQuick(ParseResult parsed) => parsed.GetValue(_quick);

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_shape) is not null;

    /// <summary>The shape that was given, or what stands for none.</summary>
    public string Name(ParseResult parsed) =>
        parsed.GetValue(_shape) ?? (IsQuick(parsed) ? "tiny" : absent);
}
