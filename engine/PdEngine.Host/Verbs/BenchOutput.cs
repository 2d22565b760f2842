using System.CommandLine;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>Where the results of a benchmark go.</summary>
/// <param name="description">Of the flag that writes them down.</param>
internal sealed class BenchOutput(
    string description = "Writes the results as JSON; - is standard output.")
{
    private readonly Option<string?> _json = new("--json")
    {
        Description = description, HelpName = "FILE",
    };

    public void AddTo(Command verb) => verb.Options.Add(_json);

    /// <summary>For tables: standard error where standard output is the JSON's.</summary>
    public IAnsiConsole Console(ParseResult parsed)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = System.Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            Out = new AnsiConsoleOutput(
                parsed.GetValue(_json) == "-" ? System.Console.Error : System.Console.Out),
        });
        // A pipe has no width to fold the columns to.
        if (System.Console.IsOutputRedirected)
            console.Profile.Width = 220;
        return console;
    }

    /// <summary>Whether the tables go to a terminal.</summary>
    public bool IsTerminal(ParseResult parsed) => parsed.GetValue(_json) == "-"
        ? !System.Console.IsErrorRedirected
        : !System.Console.IsOutputRedirected;

    /// <summary>Refuses the file before a long run, not after it.</summary>
    public void CheckJson(ParseResult parsed) => BenchFlags.CheckFile("--json", parsed.GetValue(_json));

    /// <summary>The end of a run: tables for people, and JSON where it is wanted.</summary>
    /// <returns>The exit code.</returns>
    public int Report(ParseResult parsed, Action<IAnsiConsole> print, Action<Stream> write)
    {
        print(Console(parsed));
        WriteJson(parsed, write);
        return CommandLine.Done;
    }

    /// <summary>Hands over where JSON is wanted, or does nothing.</summary>
    public void WriteJson(ParseResult parsed, Action<Stream> write)
    {
        if (parsed.GetValue(_json) is not { } file)
            return;
        using Stream target = file == "-" ? System.Console.OpenStandardOutput() : File.Create(file);
        write(target);
    }
}
