using System.CommandLine;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>One style of help for all verbs.</summary>
public sealed class HelpTests
{
    private static readonly string[] SaysWhatAbsentMeans =
        ["absent", "Absent", "may be given again", "may repeat", "Writes", "Reads the prompt",
            "Offline batch", "comma-separated", "System message"];

    [Test]
    public void Every_verb_and_flag_is_described_in_one_style()
    {
        List<string> faults = [];
        foreach ((string path, Command verb) in Verbs())
        {
            void Fault(string what) => faults.Add($"{path}: {what}");
            if (!IsSentence(verb.Description))
                Fault($"its description is no sentence: '{verb.Description}'");
            if (verb.Description!.Length > 90)
                Fault("its description is too long for the list");
            if (verb.Subcommands.Count == 0)
                AddVerbFaults(verb, path, Fault);
            foreach (Argument argument in verb.Arguments.Where(argument => !IsSentence(argument.Description)))
                Fault($"argument {argument.Name} is not described: '{argument.Description}'");
            foreach (Option option in verb.Options.Where(option => !option.Hidden && IsOwn(option)))
                AddFlagFaults(option, Fault);
        }
        Assert.That(faults, Is.Empty, string.Join('\n', faults));
    }

    [Test]
    public void Every_verb_that_reports_has_json()
    {
        string[] silent = ["completion"];
        foreach ((string path, Command verb) in Verbs().Where(one => one.Verb.Subcommands.Count == 0))
        {
            Option? json = verb.Options.FirstOrDefault(option => option.Name == "--json");
            bool takesFile = path.StartsWith("bench", StringComparison.Ordinal) || path == "rollout";
            if (silent.Contains(path))
                Assert.That(json, Is.Null, path);
            else
                Assert.That(json?.ValueType, Is.EqualTo(takesFile ? typeof(string) : typeof(bool)), path);
        }
    }

    [TestCase("doctor --quick --json")]
    [TestCase("topology --prefill-num-servers 1 --rollout-num-gpus 2 --json")]
    [TestCase("model info --json")]
    [TestCase("score --json hello")]
    [TestCase("generate --json --max-new-tokens 2 hello")]
    [TestCase("bench step --quick --batches 1 --json -")]
    [TestCase("bench kernels --quick --op matmul --rows 1 --json -")]
    public async Task What_is_printed_as_json_parses(string line)
    {
        PdEngineRun run = await PdEngineRun.ProcessAsync([], line.Split(' '));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(() => PdEngineRun.Json(run.Out), Throws.Nothing, run.Out);
    }

    [TestCase("serve --prot 1", "did you mean '--port'", "pdengine serve --help")]
    [TestCase("doctor --quik", "did you mean '--quick'", "pdengine doctor --help")]
    [TestCase("bench model --shap x", "did you mean '--shape'", "pdengine bench model --help")]
    [TestCase("model pull --revison x a/b", "did you mean '--revision'", "pdengine model pull --help")]
    [TestCase("model inf", "did you mean 'info'", "pdengine model --help")]
    [TestCase("serv", "did you mean 'serve'", "pdengine --help")]
    [TestCase("doctor --nothing-like-it", "there is no flag '--nothing-like-it'", "pdengine doctor --help")]
    [TestCase("completion tcsh", "'tcsh' is none of bash, zsh, fish", "")]
    [TestCase("model pull ../x", "owner/name", "")]
    [TestCase("model pull a/b --endpoint ftp://x", "--endpoint", "")]
    public async Task What_is_misspelt_is_told_the_nearest_name(string line, string part, string hint)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(line.Split(' '));
        run.AssertRefused(part);
        Assert.That(run.Error, Does.Contain(hint));
    }

    [Test]
    public async Task A_verbs_page_ends_with_examples_that_it_takes()
    {
        PdEngineRun page = await PdEngineRun.HereAsync("model", "convert", "--help");
        Assert.That(page.Out, Does.Contain("Examples:").And.Contain("pdengine model convert "));
        PdEngineRun list = await PdEngineRun.HereAsync("--help");
        Assert.That(list.Out, Does.Not.Contain("Examples:"));
        Command root = CommandLine.Create();
        foreach ((string path, Command verb) in Verbs().Where(one => one.Verb is Verb))
        {
            foreach (string example in ((Verb)verb).Examples.Where(IsPlain))
            {
                string[] words = [.. Words(example).Skip(1)];
                Assert.That(root.Parse(words).Errors.Select(error => error.Message), Is.Empty, example);
            }
        }
    }

    private static void AddVerbFaults(Command verb, string path, Action<string> fault)
    {
        if (verb is not Verb { Examples.Count: > 0 } page)
        {
            fault("it has no examples");
            return;
        }
        if (page.Examples.Any(example => !example.Contains($"pdengine {path}", StringComparison.Ordinal)))
            fault("an example is of another verb");
        if (page.Details is { } details && !IsSentence(details))
            fault($"its details are no sentences: '{details}'");
    }

    private static void AddFlagFaults(Option option, Action<string> fault)
    {
        if (option.Description is not { Length: > 0 } text || text[^1] != '.' || text.Contains("  "))
        {
            fault($"{option.Name} is not described by sentences: '{option.Description}'");
            return;
        }
        if (option.ValueType == typeof(bool))
            return;
        if (option.HelpName is not { } name || name.Any(char.IsLower))
            fault($"{option.Name} does not say what it takes");
        if (!option.HasDefaultValue && !SaysWhatAbsentMeans.Any(text.Contains))
            fault($"{option.Name} does not say what it is where it is absent: '{text}'");
    }

    private static bool IsSentence(string? text) => text is { Length: > 0 } && text[^1] == '.'
        && (char.IsUpper(text[0]) || text.StartsWith("bash", StringComparison.Ordinal));

    /// <summary>Those of the parser itself have its own words.</summary>
    private static bool IsOwn(Option option) => option.Name is not ("--help" or "--version");

    private static bool IsPlain(string example) => example.StartsWith("pdengine ", StringComparison.Ordinal)
        && !example.Contains('>');

    private static IEnumerable<string> Words(string line)
    {
        string[] quoted = line.Split('"', '\'');
        for (int i = 0; i < quoted.Length; i++)
        {
            foreach (string word in i % 2 == 1 ? [quoted[i]]
                : quoted[i].Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                yield return word;
            }
        }
    }

    private static IEnumerable<(string Path, Command Verb)> Verbs() =>
        Inner(CommandLine.Create(), "").Where(one => one.Path.Length > 0);

    private static IEnumerable<(string Path, Command Verb)> Inner(Command verb, string path) =>
        verb.Subcommands.SelectMany(inner => Inner(inner, $"{path} {inner.Name}".Trim()))
            .Prepend((path, verb));
}
