using System.Text.RegularExpressions;

namespace PdEngine.Tests;

/// <summary>House rules that a test can hold; a rule that cannot fail is no rule.</summary>
public sealed partial class TidyTests
{
    private const int MaxFileLines = 400;
    private const int MaxMethodLines = 70;
    private const int MaxColumns = 110;

    private static readonly string[] SourceFolders =
        ["engine", "interop", "kernels", "tests", "bench", "examples"];

    private static readonly string[] BannedTypeWords =
        ["Manager", "Helper", "Util", "Base", "Impl", "Info", "Data", "Service", "Processor"];

    private static readonly string[] LeftOvers =
        ["#region", "TODO", "FIXME", "HACK", "// ====", "Debugger.Launch"];

    private static readonly string[] HiddenInputs =
    [
        "DateTime.Now", "DateTime.UtcNow", "Random.Shared", "Environment.GetEnvironmentVariable",
        "Environment.TickCount", "Stopwatch.GetTimestamp",
    ];

    [Test]
    public void Files_stay_short_and_narrow()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs", "*.cpp", "*.h", "*.js", "*.css", "*.html"))
        {
            string[] lines = File.ReadAllLines(file);
            if (lines.Length > MaxFileLines)
                faults.Add($"{Short(file)}: {lines.Length} lines, over {MaxFileLines}");
            for (int i = 0; i < lines.Length; i++)
            {
                if (lines[i].Length > MaxColumns && !lines[i].Contains("http", StringComparison.Ordinal))
                    faults.Add($"{Short(file)}:{i + 1}: {lines[i].Length} columns, over {MaxColumns}");
            }
        }
        Report(faults);
    }

    [Test]
    public void Methods_stay_short()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs"))
            faults.AddRange(LongBlocks(File.ReadAllLines(file)).Select(fault => $"{Short(file)}{fault}"));
        Report(faults);
    }

    [Test]
    public void A_long_method_is_found()
    {
        string[] lines =
        [
            "class Example", "{", "    void Run()", "    {", .. Enumerable.Repeat("        Step();", 71),
            "    }", "}",
        ];
        Assert.That(LongBlocks(lines), Has.Count.EqualTo(1));
    }

    [Test]
    public void Type_names_are_domain_nouns()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs"))
        {
            foreach (Match match in TypeDeclaration().Matches(File.ReadAllText(file)))
            {
                string name = match.Groups["name"].Value;
                if (BannedTypeWords.FirstOrDefault(word => Words(name).Contains(word)) is { } word)
                    faults.Add($"{Short(file)}: type {name} is named after nothing ('{word}')");
            }
        }
        Report(faults);
    }

    [Test]
    public void Sources_have_no_regions_banners_or_left_overs()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs", "*.cpp", "*.h"))
        {
            if (Path.GetFileName(file) == "TidyTests.cs")
                continue;
            string text = File.ReadAllText(file);
            faults.AddRange(LeftOvers.Where(banned => text.Contains(banned, StringComparison.Ordinal))
                .Select(banned => $"{Short(file)}: holds '{banned}'"));
        }
        Report(faults);
    }

    [Test]
    public void The_engine_has_no_hidden_inputs()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs").Where(file => InFolder(file, "engine/PdEngine/")))
        {
            string text = File.ReadAllText(file);
            faults.AddRange(HiddenInputs.Where(input => text.Contains(input, StringComparison.Ordinal))
                .Select(input => $"{Short(file)}: reads {input}; take it as an argument"));
        }
        Report(faults);
    }

    [Test]
    public void Only_compute_and_transfer_use_interop()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs").Where(file => InFolder(file, "engine/")))
        {
            bool allowed = InFolder(file, "engine/PdEngine/Compute/") ||
                InFolder(file, "engine/PdEngine/Transfer/");
            if (!allowed && File.ReadAllText(file).Contains("PdEngine.Interop", StringComparison.Ordinal))
                faults.Add($"{Short(file)}: uses PdEngine.Interop");
        }
        Report(faults);
    }

    [Test]
    public void Ids_and_counts_never_meet_bytes_or_models()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs"))
        {
            string text = File.ReadAllText(file);
            if (InFolder(file, "engine/PdEngine/Cache/") && text.Contains("nint ", StringComparison.Ordinal))
                faults.Add($"{Short(file)}: the cache holds ids and counts, never addresses");
            if (InFolder(file, "engine/PdEngine/Scheduling/") && SchedulingReach().IsMatch(text))
                faults.Add($"{Short(file)}: scheduling and model meet only in Execution/");
        }
        Report(faults);
    }

    [Test]
    public void Every_type_is_in_its_projects_namespace()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs"))
        {
            Match match = Namespace().Match(File.ReadAllText(file));
            string wanted = Short(file).Split('/')[0] switch
            {
                "interop" => "PdEngine.Interop",
                "tests" => "PdEngine.Tests",
                "bench" => "PdEngine.Bench",
                "examples" => match.Groups["name"].Value,
                _ => InFolder(file, "engine/PdEngine.Host/") ? "PdEngine.Host" : "PdEngine",
            };
            if (match.Success && match.Groups["name"].Value != wanted)
                faults.Add($"{Short(file)}: namespace {match.Groups["name"].Value}, not {wanted}");
        }
        Report(faults);
    }

    [Test]
    public void Every_public_type_is_in_namespace_PdEngine()
    {
        IEnumerable<string?> others = typeof(Engine).Assembly.GetExportedTypes()
            .Where(type => type.Namespace != "PdEngine").Select(type => type.FullName);
        Assert.That(others, Is.Empty);
    }

    [Test]
    public void No_path_of_one_machine_is_in_the_repository()
    {
        List<string> faults = [];
        foreach (string file in Sources("*.cs", "*.cpp", "*.h", "*.md", "*.targets", "*.csproj"))
        {
            if (Path.GetFileName(file) != "TidyTests.cs" && MachinePath().IsMatch(File.ReadAllText(file)))
                faults.Add($"{Short(file)}: names a path of one machine");
        }
        Report(faults);
    }

    private static List<string> LongBlocks(string[] lines)
    {
        List<string> faults = [];
        for (int i = 0; i < lines.Length; i++)
        {
            string indent = lines[i][..^lines[i].TrimStart().Length];
            if (lines[i].Trim() != "{" || indent.Length != 4)
                continue;
            int end = i + 1;
            while (end < lines.Length && lines[end].TrimEnd(' ', ';') != indent + "}")
                end++;
            bool isType = i > 0 && TypeDeclaration().IsMatch(lines[i - 1]);
            if (!isType && end - i - 1 > MaxMethodLines)
                faults.Add($":{i + 1}: a block of {end - i - 1} lines, over {MaxMethodLines}");
        }
        return faults;
    }

    private static IEnumerable<string> Words(string name) =>
        Word().Matches(name).Select(match => match.Value);

    private static IEnumerable<string> Sources(params string[] patterns) =>
        from folder in SourceFolders
        let path = Path.Combine(TestFiles.Root, folder)
        where Directory.Exists(path)
        from pattern in patterns
        from file in Directory.EnumerateFiles(path, pattern, SearchOption.AllDirectories)
        where !file.Contains("/.npm/", StringComparison.Ordinal)
        where !file.Contains("/obj/", StringComparison.Ordinal)
        select file;

    private static string Short(string file) => Path.GetRelativePath(TestFiles.Root, file).Replace('\\', '/');

    private static bool InFolder(string file, string folder) =>
        Short(file).StartsWith(folder, StringComparison.Ordinal);

    private static void Report(List<string> faults) =>
        Assert.That(faults, Is.Empty, string.Join(Environment.NewLine, faults));

    [GeneratedRegex(@"\b(class|struct|record|interface|enum)\s+(class\s+|struct\s+)?(?<name>[A-Z]\w*)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"[A-Z][a-z0-9]*")]
    private static partial Regex Word();

    [GeneratedRegex(@"^namespace (?<name>[\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"\b(ModelConfig|ModelWeights|Transformer|IBackend|KvStore)\b")]
    private static partial Regex SchedulingReach();

    [GeneratedRegex(@"/work/|/tmp/bash_jobs|/root/")]
    private static partial Regex MachinePath();
}
