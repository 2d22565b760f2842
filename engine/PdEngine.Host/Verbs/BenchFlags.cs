using System.CommandLine;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>The flags of every benchmark, and where its results go.</summary>
internal sealed class BenchFlags(int defaultRepeats)
{
    private readonly Option<CpuIsa> _isa = new("--isa")
    {
        Description = "Instruction set; auto is the best this CPU has.",
        DefaultValueFactory = _ => CpuIsa.Auto,
    };

    private readonly Option<int> _threads = new("--threads")
    {
        Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount, HelpName = "N",
    };

    private readonly Option<int> _repeats = new("--repeats")
    {
        Description = "Timed runs of each row; the median counts.",
        DefaultValueFactory = _ => defaultRepeats,
        HelpName = "N",
    };

    private readonly Option<bool> _noPeer = new("--no-peer") { Description = "Leaves llama.cpp out." };

    private readonly Option<string?> _json = new("--json")
    {
        Description = "Writes the results as JSON; - is standard output.", HelpName = "FILE",
    };

    public void AddTo(Command verb)
    {
        foreach (Option option in new Option[] { _isa, _threads, _repeats, _noPeer, _json })
            verb.Options.Add(option);
    }

    public CpuIsa Isa(ParseResult parsed) => parsed.GetValue(_isa);

    public int Threads(ParseResult parsed) => Within(parsed, _threads, 1, 1024);

    public int Repeats(ParseResult parsed) => Within(parsed, _repeats, 1, 1000);

    public bool WithPeer(ParseResult parsed) => !parsed.GetValue(_noPeer);

    /// <summary>For tables: standard error where standard output is the JSON's.</summary>
    public IAnsiConsole Console(ParseResult parsed) => ConsoleFor(parsed.GetValue(_json));

    /// <summary>For tables beside a JSON file.</summary>
    public static IAnsiConsole ConsoleFor(string? json)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = System.Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            Out = new AnsiConsoleOutput(
                json == "-" ? System.Console.Error : System.Console.Out),
        });
        // A pipe has no width to fold the columns to.
        if (System.Console.IsOutputRedirected)
            console.Profile.Width = 220;
        return console;
    }

    /// <summary>Refuses the file before a long run, not after it.</summary>
    public void CheckJson(ParseResult parsed) => CheckFile("--json", parsed.GetValue(_json));

    /// <summary>Hands over where JSON is wanted, or does nothing.</summary>
    public void WriteJson(ParseResult parsed, Action<Stream> write)
    {
        if (parsed.GetValue(_json) is not { } file)
            return;
        using Stream target = file == "-" ? System.Console.OpenStandardOutput() : File.Create(file);
        write(target);
    }

    public static void CheckFile(string flag, string? file)
    {
        if (file is null or "-")
            return;
        if (file == "" || Directory.Exists(file))
            throw new OptionsException(flag, $"'{file}' is no file");
        string folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        if (!Directory.Exists(folder))
            throw new OptionsException(flag, $"the folder '{folder}' is not there");
    }

    public static int Within(ParseResult parsed, Option<int> option, int least, int most)
    {
        int value = parsed.GetValue(option);
        return value >= least && value <= most
            ? value
            : throw new OptionsException(option.Name, $"{value} is not in {least} to {most}");
    }
}
