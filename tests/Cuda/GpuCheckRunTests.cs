using System.Diagnostics;
using System.Runtime.Versioning;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>What gpu-check does with its time and when it is stopped, on rows of no GPU.</summary>
public sealed class GpuCheckRunTests
{
    private string _folder = null!;
    private CheckJournal _journal = null!;
    private StringWriter _output = null!;
    private int _ends;

    [SetUp]
    public void MakeReport()
    {
        _folder = Directory.CreateTempSubdirectory("gpu-check-run").FullName;
        _journal = new(_folder, _folder, []);
        _output = new();
        _ends = 0;
    }

    [TearDown]
    public void RemoveFolder()
    {
        _output.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void No_row_begins_that_would_pass_the_end_of_its_stage()
    {
        _journal.Add(new CheckRow("kernel/slow one").With("wall_seconds", 200));
        CheckRun run = Make(TimeSpan.FromMinutes(4), stageCount: 2);
        run.Run(new Stage(["kernel/slow two", "kernel/quick one"], name => new(name)));
        Assert.That(_journal.StatusOf("kernel/slow two"), Is.Null);
        Assert.That(_journal.StatusOf("kernel/quick one"), Is.EqualTo(CheckStatus.Fine));
        Assert.That(run.IsComplete, Is.False);
        // Of two stages the second has all that is left.
        run.Run(new Stage(["verify/sanitizer x"], name => new(name)));
        Assert.That(_journal.StatusOf("verify/sanitizer x"), Is.EqualTo(CheckStatus.Fine));
    }

    [Test]
    public void A_run_that_is_stopped_says_what_there_is_and_leaves_the_row()
    {
        CheckRun run = Make(TimeSpan.FromMinutes(4), stageCount: 1);
        run.Run(new Stage(
            ["verify/a", "verify/b", "verify/c"], name =>
            {
                if (name == "verify/b")
                    run.Stop("SIGTERM came");
                return new CheckRow(name).Failed("wrong");
            }));
        Assert.That(_ends, Is.EqualTo(1));
        Assert.That(_journal.StatusOf("verify/a"), Is.EqualTo(CheckStatus.Failed));
        Assert.That(_journal.StatusOf("verify/b"), Is.Null);
        Assert.That(_journal.StatusOf("verify/c"), Is.Null);
        Assert.That(
            _output.ToString(), Does.Match(@"SIGTERM came \d+ s into verify/b")
                .And.Contain("the first: verify/a").And.Contain("it was told to stop")
                .And.Not.Contain("the time was up"));
    }

    [Test]
    public void A_row_that_is_not_done_when_the_time_is_up_is_cut_off()
    {
        CheckRun run = Make(TimeSpan.FromSeconds(8), stageCount: 1);
        using ManualResetEventSlim ended = new();
        run.Run(new Stage(
            ["kernel/stuck"], name =>
            {
                SpinWait.SpinUntil(() => _ends > 0, TimeSpan.FromMinutes(1));
                return new(name);
            }));
        Assert.That(_ends, Is.EqualTo(1));
        Assert.That(_journal.StatusOf("kernel/stuck"), Is.Null);
        Assert.That(_output.ToString(), Does.Contain("the time is up").And.Contain("the time was up"));
    }

    [Test]
    public void Runs_that_are_lost_are_bounded_and_end_when_somebody_asks()
    {
        int runs = 0;
        int Lost(int before, TimeSpan left) => ++runs > 0 ? GpuCheckProgram.Lost : 0;
        Assert.That(
            CheckLoop.Run(TimeSpan.FromHours(1), Lost, () => null, () => false, _output),
            Is.EqualTo(GpuCheckProgram.Lost));
        Assert.That(runs, Is.InRange(2, 20));
        runs = 0;
        Assert.That(
            CheckLoop.Run(TimeSpan.FromHours(1), Lost, () => null, () => true, _output),
            Is.EqualTo(GpuCheckProgram.Unfinished));
        Assert.That(runs, Is.EqualTo(1));
    }

    // Processes that a signal ends, of which each says in the report what it was amid.
    [Test]
    public void A_process_that_ends_outside_of_a_new_row_is_not_followed_by_another()
    {
        const int aborted = 134;
        _journal.Add(new CheckRow("verify/of an earlier call").Begun());
        string?[] amid = ["verify/a", "verify/b", null, "verify/c"];
        Assert.That(Follow(amid, aborted, TimeSpan.FromHours(1)), Is.EqualTo((GpuCheckProgram.Lost, 3)));
        Assert.That(_output.ToString(), Does.Contain($"the process ended with {aborted} and not amid a row"));
        amid = ["verify/d", "verify/d", "verify/e"];
        Assert.That(Follow(amid, aborted, TimeSpan.FromHours(1)), Is.EqualTo((GpuCheckProgram.Lost, 2)));
        Assert.That(Follow([null], aborted, TimeSpan.Zero), Is.EqualTo((GpuCheckProgram.Lost, 1)));
        Assert.That(Follow([null], 137, TimeSpan.Zero), Is.EqualTo((GpuCheckProgram.Unfinished, 1)));
    }

    [Test]
    public void A_further_process_neither_resumes_nor_tries_again()
    {
        string[] arguments = ["verify", "--again", "--resume", "b", "--out", "a", "--toy"];
        Assert.That(CheckLoop.OfNext(arguments), Is.EqualTo(new[] { "verify", "--out", "a", "--toy" }));
    }

    [Test]
    public void Rows_with_targets_and_those_beside_them_come_first()
    {
        string[] names =
        [
            "kernel/matmul 1x4096x6144/1 qkv", "kernel/matmul 4096x4096x6144/1 qkv",
            "kernel/attention decode 16/8 of 128 64x512", "kernel/attention decode 32/8 of 128 64x512",
            "kernel/attention prefill 32/8 of 128 1x8192", "kernel/matmul 64x2048x6144/1 qkv",
        ];
        IEnumerable<CheckCase> cases = names.Select(name => new CheckCase(name, () => new(name)));
        Assert.That(
            CheckTargets.First(cases).Select(one => one.Name),
            Is.EqualTo(new[] { names[1], names[3], names[4], names[0], names[2], names[5] }));
    }

    [Test]
    public void What_is_no_number_is_absent_from_the_report()
    {
        _journal.Add(new CheckRow("a").With("x", double.NaN).With("y", double.PositiveInfinity).With("z", 1));
        string text = File.ReadAllText(_journal.FilePath);
        Assert.That(text, Does.Not.Contain("NaN").And.Not.Contain("Infinity").And.Contain("\"z\":1"));
        Assert.That(_journal.Figure("a", "x"), Is.Null);
    }

    // The script with a stand-in for .NET that publishes a binary which says where it was called.
    [Test]
    [SupportedOSPlatform("linux")]
    public void Another_publish_keeps_the_images_beside_the_binary()
    {
        const UnixFileMode runs = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        string bench = Directory.CreateDirectory(Path.Combine(_folder, "bench")).FullName;
        string published = Path.Combine(_folder, "artifacts", "gpu-check");
        string beside = Path.Combine(published, "cuda-images", "sm_90", "embed.cubin.br");
        Directory.CreateDirectory(Path.GetDirectoryName(beside)!);
        File.WriteAllText(beside, "mended");
        File.WriteAllText(Path.Combine(published, "stale"), "");
        File.Copy(Path.Combine(TestFiles.Root, "bench", "gpu-check"), Path.Combine(bench, "gpu-check"));
        string dotnet = Path.Combine(bench, "dotnet");
        File.WriteAllText(dotnet, $"#!/bin/sh\nprintf '#!/bin/sh\\necho ran $1\\n' > {published}/gpu-check\n"
            + $"chmod +x {published}/gpu-check\n");
        File.SetUnixFileMode(dotnet, runs);
        ProcessStartInfo start = new("/bin/sh", [Path.Combine(bench, "gpu-check"), "verify"]);
        start.Environment["PATH"] = $"{bench}:{Environment.GetEnvironmentVariable("PATH")}";
        (int code, string text) = ChildProcess.Run(start, 600);
        Assert.That((code, text), Is.EqualTo((0, text)), text);
        Assert.That(text, Does.Contain("ran verify"));
        Assert.That(File.ReadAllText(beside), Is.EqualTo("mended"));
        Assert.That(File.Exists(Path.Combine(published, "stale")), Is.False);
    }

    private (int Code, int Runs) Follow(string?[] amid, int code, TimeSpan time)
    {
        LostRows lost = new(new() { Stages = ["kernels"], OutFolder = _folder });
        int count = 0;
        int RunOnce(int runs, TimeSpan left)
        {
            count++;
            if (amid[runs] is { } row)
            {
                // Rows are of one attempt by their time.
                Thread.Sleep(2);
                _journal.Add(new CheckRow(row).Begun());
            }
            return code;
        }
        return (CheckLoop.Run(time, RunOnce, lost.Next, () => false, _output), count);
    }

    private CheckRun Make(TimeSpan time, int stageCount) => new(
        new() { Stages = ["kernels"], OutFolder = _folder }, _journal,
        new(time, stageCount, TimeProvider.System), () => true, () => _ends++, _output);

    private sealed class Stage(string[] names, Func<string, CheckRow> run) : ICheckStage
    {
        public string Name => "stage";

        public IEnumerable<CheckCase> Cases() =>
            names.Select(name => new CheckCase(name, () => run(name)));
    }
}
