using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>What a run of the trainer leaves behind, and takes up again.</summary>
public sealed class RunFilesTests
{
    [Test]
    public void A_resumed_run_keeps_the_curves_of_what_was_before_its_state()
    {
        string folder = TestFiles.Scratch();
        using TrainerRig rig = TrainerRig.AsEngine(HfConfig.Parse("config.json", ModelFolder.TinyConfig()));
        Run(rig, folder, firstStep: 0, lastStep: 5);
        Run(rig, folder, firstStep: 5, lastStep: 8);
        string whole = File.ReadAllText(Path.Combine(folder, "curves.svg"));
        Assert.That(PointCount(whole), Is.EqualTo(8));
        Assert.That(whole, Does.Contain("step 8<"));
        Run(rig, folder, firstStep: 8, lastStep: 8);
        Assert.That(File.ReadAllText(Path.Combine(folder, "curves.svg")), Is.EqualTo(whole));
        // Steps after the state that is resumed from are done again.
        Run(rig, folder, firstStep: 6, lastStep: 7);
        Assert.That(PointCount(File.ReadAllText(Path.Combine(folder, "curves.svg"))), Is.EqualTo(7));
        Run(rig, folder, firstStep: 0, lastStep: 2);
        Assert.That(PointCount(File.ReadAllText(Path.Combine(folder, "curves.svg"))), Is.EqualTo(2));
    }

    [Test]
    public void Another_file_of_steps_is_refused()
    {
        string folder = TestFiles.Scratch();
        using TrainerRig rig = TrainerRig.AsEngine(HfConfig.Parse("config.json", ModelFolder.TinyConfig()));
        foreach (string line in (string[])["{", "[]", "{}", """{"step": "a"}"""])
        {
            File.WriteAllText(Path.Combine(folder, RunFiles.StepsFile), line + "\n");
            Assert.That(
                () => new RunFiles(folder, null, rig.Trainer, 50, firstStep: 1),
                Throws.TypeOf<CheckpointException>().With.Message.Contains(RunFiles.StepsFile), line);
        }
    }

    private static void Run(TrainerRig rig, string folder, int firstStep, int lastStep)
    {
        RunFiles files = new(folder, null, rig.Trainer, checkpointSteps: 50, firstStep);
        for (int step = firstStep + 1; step <= lastStep; step++)
        {
            Skill skill = new(0.1 * step, 0.5, 5);
            files.Add(new(
                step, new(skill, ScoreDifference: null, 0, 0, 1, 0.5), new(new(0.1, 600, 3), 0.4, 0), 1e-4,
                new(1, 2, 0.5, Rollout: 3), Evaluation: null));
        }
        files.Save(lastStep);
    }

    private static int PointCount(string svg)
    {
        string points = svg.Split("points=\"")[1].Split('"')[0];
        return points.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
    }
}
