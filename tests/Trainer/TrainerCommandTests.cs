using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>The trainer's command line.</summary>
public sealed class TrainerCommandTests
{
    private static string PdTiny => Path.Combine(TestFiles.Root, "models", "pd-tiny");

    [TestCase("", "supervised", "measure", "grpo")]
    [TestCase("--help", "supervised", "measure", "grpo")]
    [TestCase("grpo --help", "--learning-rate", "--minutes", "--resume")]
    public async Task Help_says_what_there_is(string line, params string[] parts)
    {
        (int exitCode, string output, string error) = await RunAsync(line);
        Assert.That((exitCode, error), Is.EqualTo((0, "")));
        foreach (string part in parts)
            Assert.That(output, Does.Contain(part));
    }

    [TestCase("grpo --minutes nan", "--minutes")]
    [TestCase("grpo --minutes -1", "--minutes")]
    [TestCase("grpo --minutes 0", "--minutes")]
    [TestCase("grpo --minutes infinity", "--minutes")]
    [TestCase("grpo --learning-rate -3", "--learning-rate")]
    [TestCase("grpo --learning-rate nan", "--learning-rate")]
    [TestCase("grpo --steps -2", "--steps")]
    [TestCase("grpo --steps 0", "--steps")]
    [TestCase("grpo --kl -1", "--kl")]
    [TestCase("grpo --kl nan", "--kl")]
    [TestCase("grpo --max-staleness -1", "--max-staleness")]
    [TestCase("grpo --threads 0", "--threads")]
    [TestCase("supervised --steps -2", "--steps")]
    [TestCase("supervised --threads -1", "--threads")]
    public async Task What_no_run_can_be_of_is_refused_before_anything_is_written(string line, string flag)
    {
        string folder = Path.Combine(TestFiles.Scratch($"refused-{line.Replace(' ', '_')}"), "out");
        (int exitCode, string _, string error) = await RunAsync($"{line} --out {folder}");
        Assert.That((exitCode, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.StartWith($"RlTrainer: {flag}: "));
        Assert.That(Directory.Exists(folder), Is.False);
    }

    [Test]
    public async Task A_run_itself_refuses_them_too()
    {
        await using GrpoRig rig = await GrpoRig.StartAsync();
        foreach (GrpoRunOptions options in (GrpoRunOptions[])
            [new(Minutes: double.NaN), new(LearningRate: -3), new(Steps: -2), new(Minutes: -1)])
        {
            Assert.That(
                async () => await rig.RunAsync(new GuessingGame(), options),
                Throws.TypeOf<OptionsException>(), $"{options}");
        }
        Assert.That(
            async () => await rig.RunAsync(new GuessingGame(), new(), klWeight: double.NaN),
            Throws.InstanceOf<PdEngineException>());
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("default"));
    }

    [Test]
    public async Task No_way_to_write_the_first_model_leads_back_into_it()
    {
        string scratch = TestFiles.Scratch();
        string link = Path.Combine(scratch, "link");
        Directory.CreateSymbolicLink(link, PdTiny);
        string linkedParent = Path.Combine(scratch, "parent");
        Directory.CreateSymbolicLink(linkedParent, Path.GetDirectoryName(PdTiny)!);
        // Were one let through, the threads would be refused before anything is written there.
        foreach (string path in (string[])
            [PdTiny, PdTiny + "/", $"{PdTiny}/../pd-tiny/.", link, $"{linkedParent}/pd-tiny/"])
        {
            foreach (string model in (string[])["", $" --model {scratch}"])
            {
                (int exitCode, string _, string error) =
                    await RunAsync($"grpo --threads 0 --out {path}{model}");
                Assert.That(exitCode, Is.EqualTo(2), path);
                Assert.That(error, Does.Contain("is the model to start from"), path);
            }
        }
        Assert.That(ModelPath.AreSame(scratch, PdTiny), Is.False);
    }

    [Test]
    public void The_model_is_found_from_the_program_upwards()
    {
        Assert.That(ModelPath.Tiny(), Is.EqualTo(PdTiny));
        Assert.That(ModelPath.TinyAbove(Path.Combine(PdTiny, "not", "there")), Is.EqualTo(PdTiny));
        Assert.That(ModelPath.TinyAbove(Path.GetTempPath()), Is.Null);
    }

    [TestCase("{", "is no JSON")]
    [TestCase("[]", "'step'")]
    [TestCase("""{"step": 3}""", "'optimiser_step'")]
    [TestCase("""{"step": -1, "optimiser_step": 3}""", "'step'")]
    [TestCase("""{"step": "a", "optimiser_step": 3}""", "'step'")]
    [TestCase(null, "is not there")]
    public void A_state_that_cannot_be_read_says_so_and_changes_nothing(string? json, string problem)
    {
        string folder = TestFiles.Scratch($"state-{json?.Length ?? 0}");
        using TrainerRig rig = TrainerRig.AsEngine(HfConfig.Parse("config.json", ModelFolder.TinyConfig()));
        ModelFolder.WriteState(folder, rig.Trainer, 3);
        string path = Path.Combine(folder, "trainer_state.json");
        File.Delete(path);
        if (json is not null)
            File.WriteAllText(path, json);
        rig.Trainer.Weights.Values.Fill(7);
        CheckpointException error = Assert.Throws<CheckpointException>(
            () => ModelFolder.ReadState(folder, rig.Trainer))!;
        Assert.That(error.Message, Does.Contain(path).And.Contain(problem));
        Assert.That(rig.Trainer.Weights.Values[0], Is.EqualTo(7));
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string line)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int exitCode = await TrainerCommand.RunAsync(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries), output, error);
        return (exitCode, output.ToString(), error.ToString());
    }
}
