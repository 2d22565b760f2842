using System.CommandLine;
using System.Globalization;
using PdEngine.Bench;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>The flags of every benchmark of kernels, and where its results go.</summary>
/// <param name="defaultRepeats">Of <c>--repeats</c>.</param>
/// <param name="hasPeer">It runs llama.cpp, too.</param>
internal sealed class BenchFlags(int defaultRepeats, bool hasPeer = true)
{
    private readonly Option<string> _isa = new("--isa")
    {
        Description = $"Instruction set: {string.Join(", ", IsaNames())}; auto is the best this CPU has.",
        DefaultValueFactory = _ => CpuIsaSupport.NameOf(CpuIsa.Auto),
        HelpName = "NAME",
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

    private readonly BenchOutput _output = new();

    public void AddTo(Command verb)
    {
        foreach (Option option in new Option[] { _isa, _threads, _repeats })
            verb.Options.Add(option);
        if (hasPeer)
            verb.Options.Add(_noPeer);
        _output.AddTo(verb);
    }

    public CpuIsa Isa(ParseResult parsed) => IsaOf(parsed.GetValue(_isa)!);

    public int Threads(ParseResult parsed) => Threads(parsed, _threads);

    public int Repeats(ParseResult parsed) => Within(parsed, _repeats, 1, 1000);

    public bool WithPeer(ParseResult parsed) => hasPeer && !parsed.GetValue(_noPeer);

    /// <inheritdoc cref="BenchOutput.Console"/>
    public IAnsiConsole Console(ParseResult parsed) => _output.Console(parsed);

    /// <inheritdoc cref="BenchOutput.CheckJson"/>
    public void CheckJson(ParseResult parsed) => _output.CheckJson(parsed);

    /// <inheritdoc cref="BenchOutput.Report"/>
    public int Report(ParseResult parsed, Action<IAnsiConsole> print, Action<Stream> write) =>
        _output.Report(parsed, print, write);

    /// <inheritdoc cref="BenchOutput.WriteJson"/>
    public void WriteJson(ParseResult parsed, Action<Stream> write) => _output.WriteJson(parsed, write);

    /// <summary>The instruction set of a name, or a refusal that lists all.</summary>
    public static CpuIsa IsaOf(string name)
    {
        foreach (CpuIsa isa in (CpuIsa[])[CpuIsa.Auto, .. CpuIsaSupport.All])
        {
            if (CpuIsaSupport.NameOf(isa) == name)
                return isa;
        }
        throw new OptionsException("--isa", $"'{name}' is none of {string.Join(", ", IsaNames())}");
    }

    public static WeightDtype Dtype(ParseResult parsed, Option<string> option) =>
        EngineFlags.Choice(
            option.Name, parsed.GetValue(option)!, ("bf16", WeightDtype.Bf16), ("int8", WeightDtype.Int8));

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

    /// <summary>Threads to compute on, at most one a core.</summary>
    public static int Threads(ParseResult parsed, Option<int> option)
    {
        int threads = Within(parsed, option, 1, 1024);
        EngineFlags.ThrowIfOverCores(threads);
        return threads;
    }

    /// <summary>Reads numbers between commas.</summary>
    public static IReadOnlyList<int> Numbers(string flag, string list, int least, int most)
    {
        List<int> numbers = [];
        foreach (string part in list.Split(','))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                throw new OptionsException(flag, $"'{part}' is no number");
            if (number < least || number > most)
                throw new OptionsException(flag, $"{number} is not in {least} to {most}");
            numbers.Add(number);
        }
        return numbers;
    }

    private static IEnumerable<string> IsaNames() =>
        [CpuIsaSupport.NameOf(CpuIsa.Auto), .. CpuIsaSupport.All.Select(CpuIsaSupport.NameOf)];
}
