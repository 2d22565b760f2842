using System.Runtime.Versioning;
using System.Text.Json;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>
/// bench/gpu-check on a virtual GPU at toy sizes: that it runs, finds what is wrong and goes on where it
/// stopped.
/// </summary>
[Category("Cuda")]
public sealed class GpuCheckTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        _folder = Directory.CreateTempSubdirectory("gpu-check-tests").FullName;
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Every_stage_runs_and_a_second_run_has_nothing_to_do()
    {
        (int code, string text) = Run("verify", "kernels", "model");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(0));
        JsonElement[] rows = Rows();
        Assert.That(rows, Has.Length.GreaterThan(80));
        Assert.That(rows.Select(row => row.GetProperty("row").GetString()), Is.Unique);
        Assert.That(Row(rows, "facts/pd_rms_norm").GetProperty("registers").GetInt32(), Is.InRange(16, 255));
        string[] kinds =
            ["verify/", "ceiling/", "facts/", "kernel/", "model/", "profile/", "serve/"];
        foreach (string kind in kinds)
            Assert.That(rows.Any(row => HasRow(row, kind, "fine")), kind);
        Assert.That(HasRow(Row(rows, "verify/hand-off by NCCL"), "verify/", "fine"), text);
        Assert.That(HasRow(Row(rows, "verify/cuBLASLt product"), "verify/", "fine"), text);
        Assert.That(
            rows.Count(row => row.TryGetProperty("cublaslt_us", out _)), Is.GreaterThan(4), text);
        JsonElement candidate = Row(rows, "verify/candidate wgmma gemm 3x96x33/4 of a wide range");
        Assert.That(candidate.GetProperty("note").GetString(), Does.EndWith("equal to gemm: yes"));
        Assert.That(candidate.GetProperty("compared").GetInt32(), Is.EqualTo(2 * 3 * 33));
        Assert.That(HasRow(Row(rows, "kernel/candidate wgmma 20x64x256/1 qkv"), "kernel/", "fine"), text);
        Assert.That(Row(rows, "verify/parity decode").GetProperty("compared").GetInt64(), Is.Positive);
        Assert.That(Row(rows, "verify/hand-off by push kernel").GetProperty("bytes").GetInt64(), Is.Positive);

        ulong launches = StandIn.LaunchCount();
        (code, text) = Run("verify", "kernels", "model");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(StandIn.LaunchCount(), Is.EqualTo(launches), text);
        Assert.That(Rows(), Has.Length.EqualTo(rows.Length));
    }

    [Test]
    [SupportedOSPlatform("linux")]
    public void What_PyTorch_takes_stands_beside_our_own_times()
    {
        string python = Path.Combine(_folder, "python");
        File.WriteAllText(python, """
            #!/bin/sh
            grep -q '"name":"matmul 20x64x256"' || exit 1
            echo 'a warning'
            echo '{"torch": "0.0"}'
            echo '{"name": "matmul 20x64x256", "us": 3.5}'
            echo '{"name": "matmul 1x64x256", "error": "no memory"}'
            """);
        File.SetUnixFileMode(python, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        (int code, string text) = Run(
            settings => settings with { Only = "peer,64x256", RunsPeers = true, Python = python }, "kernels");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        JsonElement[] rows = Rows();
        JsonElement row = Row(rows, "kernel/matmul 20x64x256/1 qkv");
        Assert.That(row.GetProperty("torch_us").GetDouble(), Is.EqualTo(3.5));
        Assert.That(row.GetProperty("share_of_copy").ValueKind, Is.EqualTo(JsonValueKind.Number));
        Assert.That(
            Row(rows, "kernel/matmul 1x64x256/1 qkv").GetProperty("note").GetString(),
            Does.Contain("peer missing"));
    }

    [Test]
    public void A_stage_whose_time_is_up_leaves_rows_for_the_next_run()
    {
        (int code, string text) = Run(settings => settings with { Time = TimeSpan.Zero }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Unfinished), text);
        (code, text) = Run(settings => settings with { Only = "/embed,/rms_norm" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(
            Rows().Select(row => row.GetProperty("row").GetString()), Has.All.Match("embed|rms_norm"));
    }

    // The GPU reads what a kernel is still to write: outputs are wrong.
    [Test]
    public void A_wrong_output_fails_with_its_shape_and_both_values()
    {
        StandIn.DropWaits(ofStreams: true);
        (int code, string text) = Run(settings => settings with { Only = "/rms_norm" }, "verify");
        StandIn.DropWaits();
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Failed), text);
        Assert.That(text, Does.Contain("FAILED verify/rms_norm 1x64").And.Contain("should be")
            .And.Contain("seed"));
        Assert.That(HasRow(Row(Rows(), "verify/rms_norm 1x64"), "verify/", "failed"));

        (code, text) = Run(settings => settings with { Only = "/rms_norm" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Failed), "a failed row stays failed");
        (code, text) = Run(
            settings => settings with { Only = "/rms_norm", RunsFailedAgain = true }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
    }

    [Test]
    public void A_gpu_that_is_lost_ends_the_run_and_the_next_goes_on_behind()
    {
        List<int> codes = [];
        string text = "";
        int RunOnce(int runs, TimeSpan left)
        {
            // A new process has a GPU that works.
            StandIn.Reset(deviceCount: 1, megabytes: 256);
            (int code, text) = Run(
                settings => settings with { Only = "/embed,/rms_norm" }, "verify", loseDevice: runs == 0);
            codes.Add(code);
            if (runs == 0)
            {
                Assert.That(text, Does.Contain("takes no more work"));
                Assert.That(Rows(), Has.Length.EqualTo(1));
            }
            return code;
        }
        using StringWriter output = new();
        int last = CheckLoop.Run(TimeSpan.FromMinutes(10), RunOnce, () => null, () => false, output);
        Assert.That(codes, Is.EqualTo(new[] { GpuCheckProgram.Lost, GpuCheckProgram.Failed }), text);
        Assert.That(last, Is.EqualTo(GpuCheckProgram.Failed));
        string?[] status = [.. Rows().Select(row => row.GetProperty("status").GetString())];
        Assert.That(status, Has.Length.GreaterThan(2));
        Assert.That(status[0], Is.EqualTo("failed"), "the row that had it is not tried again");
        Assert.That(status[1..], Has.All.EqualTo("fine"), text);
    }

    [Test]
    public void A_row_that_took_the_process_along_is_not_tried_again_unasked()
    {
        Run(settings => settings with { Only = "/rms_norm" }, "verify");
        string report = Path.Combine(_folder, CheckJournal.FileName);
        string fine = """{"row":"verify/rms_norm 5x64","status":"fine",""";
        string text = File.ReadAllText(report);
        Assert.That(text, Does.Contain(fine));
        File.WriteAllText(report, text.Replace(
            fine, """{"row":"verify/rms_norm 5x64","status":"begun","note":"the run ended","a":0,"""));

        (int code, text) = Run(settings => settings with { Only = "/rms_norm" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Failed), text);
        Assert.That(text, Does.Contain("0 rows now").And.Contain("the run ended"));
        (code, text) = Run(
            settings => settings with { Only = "/rms_norm", RunsFailedAgain = true }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
    }

    [Test]
    public void Another_gpu_begins_another_report()
    {
        Run(settings => settings with { Only = "/embed" }, "verify");
        StandIn.SetCapability(89);
        (int code, string text) = Run(settings => settings with { Only = "/rms_norm" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(Rows().Select(row => row.GetProperty("row").GetString()), Has.All.Contain("rms_norm"));
        Assert.That(text, Does.Contain("of another gpu").And.Contain("gpu-check.old-1.json"));
        StandIn.SetCapability(90);
        Run(settings => settings with { Only = "/embed" }, "verify");
        foreach ((int old, string row) in (IEnumerable<(int, string)>)[(1, "embed"), (2, "rms_norm")])
        {
            Assert.That(
                File.ReadAllText(Path.Combine(_folder, $"gpu-check.old-{old}.json")),
                Does.Contain($"verify/{row}"));
        }
    }

    [Test]
    public void A_gpu_that_the_candidate_is_not_for_is_not_asked()
    {
        StandIn.SetCapability(89);
        (int code, string text) = Run(settings => settings with { Only = "candidate" }, "verify", "kernels");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        JsonElement[] candidates = [.. Rows().Where(row =>
            row.GetProperty("row").GetString()!.Contains("/candidate", StringComparison.Ordinal))];
        Assert.That(candidates, Has.Length.GreaterThan(4));
        Assert.That(
            candidates.Select(row => row.GetProperty("status").GetString()), Has.All.EqualTo("missing"));
        Assert.That(
            candidates.Select(row => row.GetProperty("note").GetString()),
            Has.All.Contain("for compute capability 9.0 alone"));
    }

    [Test]
    public void Without_a_driver_it_says_so_and_what_to_do()
    {
        (int code, string text) = Run(
            settings => settings with { DriverPath = "/nowhere/libcuda.so.1" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Refused));
        Assert.That(text, Does.Contain("/nowhere/libcuda.so.1: there is no such file").And.Contain("driver"));
        Assert.That(Directory.GetFiles(_folder), Is.Empty);
    }

    [Test]
    public void Flags_are_read()
    {
        CheckSettings settings = GpuCheckProgram.Parse(
            ["all", "verify", "--out", "a", "--only", "x,y", "--minutes", "2.5", "--gpu", "1", "--no-peers"],
            "elsewhere")!;
        Assert.That(settings.Stages, Is.EqualTo(new[] { "verify", "kernels", "model" }));
        Assert.That((settings.OutFolder, settings.Gpu, settings.RunsPeers), Is.EqualTo(("a", 1, false)));
        Assert.That(settings.Time, Is.EqualTo(TimeSpan.FromSeconds(150)));
        Assert.That((settings.Includes("an x"), settings.Includes("z")), Is.EqualTo((true, false)));
        Assert.That(GpuCheckProgram.Parse(["model"], "elsewhere")!.OutFolder, Is.EqualTo("elsewhere"));
        Assert.That(GpuCheckProgram.Parse([], null), Is.Null);
        Assert.That(
            () => GpuCheckProgram.Parse(["verify", "--gpu"], null), Throws.TypeOf<OptionsException>());
        Assert.That(() => GpuCheckProgram.Parse(["verfy"], null), Throws.TypeOf<OptionsException>());
    }

    [TestCase("typo", "near: verify/")]
    [TestCase("/rms_nurm", "verify/rms_norm")]
    public void Names_that_no_row_has_are_refused_with_rows_that_are_near(string only, string near)
    {
        const string other = """{"gpu": "another", "rows": []}""";
        string report = Path.Combine(_folder, CheckJournal.FileName);
        File.WriteAllText(report, other);
        (int code, string text) = Run(settings => settings with { Only = only }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Refused), text);
        Assert.That(text.Trim().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(text, Does.Contain($"'{only}'").And.Contain(near));
        Assert.That(File.ReadAllText(report), Is.EqualTo(other), "the report stays where it was");
    }

    [Test]
    public void Names_of_rows_match_in_capitals_or_not()
    {
        (int code, string text) = Run(settings => settings with { Only = "by nccl,/RMS_norm 1x" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(Row(Rows(), "verify/hand-off by NCCL").GetProperty("utc").GetString(), Does.EndWith("Z"));
        Assert.That(
            Row(Rows(), "verify/rms_norm 1x64").GetProperty("wall_seconds").GetDouble(), Is.Positive);
    }

    [Test]
    public void What_is_named_and_not_there_is_refused_in_a_line()
    {
        foreach (Func<CheckSettings, CheckSettings> wrong in (Func<CheckSettings, CheckSettings>[])
            [
                settings => settings with { ImagesFolder = "/nope" },
                settings => settings with { ImagesFolder = _folder },
                settings => settings with { ResumeFolder = "/nope" },
                settings => settings with { OutFolder = "/proc/x" },
            ])
        {
            (int code, string text) = Run(wrong, "verify");
            Assert.That(code, Is.EqualTo(GpuCheckProgram.Refused), text);
            Assert.That(text.Trim().Split('\n'), Has.Length.EqualTo(1));
        }
        Assert.That(
            () => GpuCheckProgram.Parse(["verify", "--gpu", "1.7"], null), Throws.TypeOf<OptionsException>());
    }

    [TestCase("{\"gpu\": ")]
    [TestCase("[]")]
    public void A_damaged_report_is_put_aside(string damaged)
    {
        string report = Path.Combine(_folder, CheckJournal.FileName);
        File.WriteAllText(report, damaged);
        (int code, string text) = Run(settings => settings with { Only = "/embed" }, "verify");
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(text, Does.Contain("is damaged"));
        Assert.That(
            File.ReadAllText(Path.Combine(_folder, "gpu-check.damaged-1.json")), Is.EqualTo(damaged));
        Assert.That(Rows(), Is.Not.Empty);
    }

    private (int Code, string Text) Run(params string[] stages) => Run(settings => settings, stages);

    private (int Code, string Text) Run(
        Func<CheckSettings, CheckSettings> change, string stage, bool loseDevice = false) =>
        Run(change, [stage], loseDevice);

    private (int Code, string Text) Run(
        Func<CheckSettings, CheckSettings> change, string stage, string next) =>
        Run(change, [stage, next], loseDevice: false);

    private (int Code, string Text) Run(
        Func<CheckSettings, CheckSettings> change, string[] stages, bool loseDevice = false)
    {
        CheckSettings settings = change(new CheckSettings
        {
            Stages = stages, OutFolder = _folder, DriverPath = StandIn.Path, RunsPeers = false,
            Scale = CheckScale.Toy, Time = TimeSpan.FromHours(2), CublasPath = LibraryStandIns.Cublas,
            NcclPath = LibraryStandIns.Nccl,
        });
        using StringWriter text = new();
        using LosingWriter losing = new(text);
        int code = GpuCheckProgram.Run(settings, loseDevice ? losing : text, text);
        return (code, text.ToString());
    }

    private JsonElement[] Rows()
    {
        using JsonDocument report = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(_folder, CheckJournal.FileName)));
        return [.. report.RootElement.Clone().GetProperty("rows").EnumerateArray()];
    }

    private static JsonElement Row(JsonElement[] rows, string name) =>
        rows.Single(row => row.GetProperty("row").GetString() == name);

    private static bool HasRow(JsonElement row, string prefix, string status) =>
        row.GetProperty("row").GetString()!.StartsWith(prefix, StringComparison.Ordinal)
        && row.GetProperty("status").GetString() == status;

    /// <summary>The GPU is lost when the stage begins.</summary>
    private sealed class LosingWriter(StringWriter text) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            if (value?.StartsWith("==", StringComparison.Ordinal) == true)
                StandIn.LoseDevice(0);
            text.WriteLine(value);
        }
    }
}
