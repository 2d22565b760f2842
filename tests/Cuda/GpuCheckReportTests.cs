using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>What gpu-check makes of earlier reports and of arguments that are wrong.</summary>
public sealed class GpuCheckReportTests
{
    private static readonly (string Name, string Value)[] Here = [("gpu", "A"), ("driver", "B")];

    private string _folder = null!;
    private string _report = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("gpu-check-report").FullName;
        _report = Path.Combine(_folder, CheckJournal.FileName);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("{\"gpu\": \"Z\", \"rows\": []}", "old", "of another gpu ('Z', and here 'A')")]
    [TestCase("{\"gpu\": ", "damaged", "damaged")]
    public void An_earlier_report_is_moved_when_the_new_one_begins(string earlier, string kind, string why)
    {
        File.WriteAllText(_report, earlier);
        File.WriteAllText(Path.Combine(_folder, $"gpu-check.{kind}-1.json"), "kept");
        CheckJournal journal = new(_folder, null, Here);
        Assert.That(File.ReadAllText(_report), Is.EqualTo(earlier), "a run may still be refused");
        journal.Begin();
        Assert.That(journal.PutAside, Does.Contain(why).And.Contain($"gpu-check.{kind}-2.json"));
        Assert.That(File.Exists(_report), Is.False);
        journal.Add(new CheckRow("a"));
        Assert.That(File.ReadAllText(Path.Combine(_folder, $"gpu-check.{kind}-1.json")), Is.EqualTo("kept"));
        Assert.That(File.ReadAllText(Path.Combine(_folder, $"gpu-check.{kind}-2.json")), Is.EqualTo(earlier));
    }

    [Test]
    public void A_report_that_was_asked_for_is_gone_on_from_or_refused()
    {
        string fine = Folder("fine", "A"), other = Folder("other", "Z"), damaged = Folder("damaged", "A");
        File.WriteAllText(Path.Combine(damaged, CheckJournal.FileName), "{");
        CheckJournal journal = new(_folder, fine, Here);
        journal.Begin();
        Assert.That(journal.StatusOf("of fine"), Is.EqualTo(CheckStatus.Fine));
        string before = File.ReadAllText(_report);
        Assert.That(before, Does.Contain("of fine"));
        string next = Path.Combine(_folder, "next");
        Assert.That(
            () => new CheckJournal(next, other, Here),
            Throws.TypeOf<OptionsException>().With.Message.Contain("of another gpu"));
        Assert.That(
            () => new CheckJournal(next, damaged, Here),
            Throws.TypeOf<OptionsException>().With.Message.Contain("damaged"));
        Assert.That(
            () => new CheckJournal(_folder, fine, Here),
            Throws.TypeOf<OptionsException>().With.Message.Contain("report in --out already"));
        Assert.That(File.ReadAllText(_report), Is.EqualTo(before));
        journal = new(_folder, Path.Combine(_folder, "fine", ".."), Here);
        Assert.That(journal.StatusOf("of fine"), Is.EqualTo(CheckStatus.Fine));
    }

    [Test]
    public void Rows_that_no_run_wrote_are_computed_anew_or_told_as_far_as_they_go()
    {
        File.WriteAllText(_report, """
            {"rows": [{"row": "a", "status": "7"}, {"row": "b", "status": "done"}, {"row": "c"},
            {"row": "d", "status": "fine", "wall_seconds": "long"}, {"row": "e", "status": "failed"}]}
            """);
        CheckJournal journal = new(_folder, null, []);
        foreach (string row in (string[])["a", "b", "c"])
            Assert.That(journal.StatusOf(row), Is.Null, row);
        Assert.That(journal.StatusOf("d"), Is.EqualTo(CheckStatus.Fine));
        Assert.That(journal.MostSeconds("d"), Is.Null);
        using StringWriter output = new();
        new CheckRun(
            new() { Stages = [], OutFolder = _folder }, journal,
            new(TimeSpan.FromMinutes(1), 1, TimeProvider.System), () => true, () => { }, output).Conclude();
        Assert.That(output.ToString(), Does.Contain("the first: e").And.Contain("it does not say why"));
    }

    [TestCase("verify", "--out", "")]
    [TestCase("verify", "--minutes", "1e300")]
    [TestCase("verify", "--minutes", "Infinity")]
    [TestCase("verify", "--minutes", "NaN")]
    [TestCase("--only", "rms")]
    public void Wrong_arguments_are_refused(params string[] arguments) =>
        Assert.That(() => GpuCheckProgram.Parse(arguments, null), Throws.TypeOf<OptionsException>());

    [Test]
    public void An_out_folder_of_nothing_is_the_current_one() =>
        Assert.That(GpuCheckProgram.Parse(["verify"], "")!.OutFolder, Is.EqualTo("."));

    [Test]
    public void Images_of_no_known_target_are_refused_and_others_told()
    {
        string images = Path.Combine(_folder, "images");
        Image("deep/sm_90a/embed.cubin.br");
        Image("sm_90/embed.cubin.br");
        Image("sm_80/embed.ptx.br");
        Image("sm_80/what.cubin.br");
        Assert.That(
            () => CheckImages.Check(images), Throws.TypeOf<OptionsException>().With.Message.Contain(
                "sm_90a; of no effect: deep, sm_80, sm_90"));
        Image("compute_80/embed.ptx.br");
        Image("sm_90a/gemm_wgmma.cubin.br");
        Assert.That(
            CheckImages.Check(images),
            Does.Contain("has images of compute_80, sm_90a; of no effect: deep, sm_80, sm_90"));

        void Image(string file)
        {
            string path = Path.Combine(images, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "");
        }
    }

    [TestCase(1.0001f, true)]
    [TestCase(2f, false)]
    [TestCase(float.NaN, false)]
    public void A_candidate_that_is_wrong_fails_and_one_that_rounds_otherwise_does_not(
        float value, bool isFine)
    {
        CheckRow row = CandidateTrials.Judged(
            new("c"), [1, 1], [("same", [1, 1]), ("rounded", [1, 1.0001f]), ("other", [1, value])]);
        Assert.That(row.Status, Is.EqualTo(isFine ? CheckStatus.Fine : CheckStatus.Failed));
        Assert.That(
            row.Note, Does.Contain(isFine ? "no: rounded:" : "not only rounded: other:"));
    }

    private string Folder(string name, string gpu)
    {
        string folder = Path.Combine(_folder, name);
        CheckJournal journal = new(folder, null, [("gpu", gpu), ("driver", "B")]);
        journal.Add(new CheckRow($"of {name}"));
        return folder;
    }
}
