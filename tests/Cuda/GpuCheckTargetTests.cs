using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>The figures that gpu-check prints last, against what they should be.</summary>
[Category("Cuda")]
public sealed class GpuCheckTargetTests
{
    private string _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("gpu-check-targets").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void What_was_measured_is_held_against_its_target()
    {
        CheckJournal journal = new(_folder, _folder, []);
        Assert.That(CheckTargets.Lines(journal), Is.Empty);
        journal.Add(new CheckRow("kernel/attention prefill 32/8 of 128 1x8192").With("tflops", 279.5));
        journal.Add(new CheckRow("model/llama-8b decode-64-512").With("share_of_roofline", 0.81));
        Assert.That(CheckTargets.Lines(journal), Is.EqualTo(new[]
        {
            "kernel/attention prefill 32/8 of 128 1x8192: tflops 279.5 of 280: MISSED",
            "model/llama-8b decode-64-512: share_of_roofline 0.81 of 0.8",
        }));
    }

    [Test]
    public void There_is_a_row_for_every_target_and_no_name_is_twice()
    {
        StandIn.Reset(deviceCount: 1);
        CheckSettings settings = new()
        {
            Stages = [], OutFolder = _folder, DriverPath = StandIn.Path, RunsPeers = false,
        };
        using CheckRig rig = CheckRig.Open(settings);
        CheckJournal journal = new(_folder, _folder, rig.Header);
        string[] kernels = [.. Names(new KernelStage(rig, journal, settings))];
        string[] models = [.. Names(new ModelStage(rig, journal, settings))];
        string[] verified = [.. Names(new VerifyStage(rig, journal, settings))];
        foreach (string[] stage in new[] { kernels, models, verified })
            Assert.That(stage, Is.Unique);
        Assert.That(CheckTargets.Rows.Distinct(), Is.SubsetOf(kernels.Concat(models)));
        TestContext.Out.WriteLine($"{verified.Length} + {kernels.Length} + {models.Length} rows");
    }

    [Test]
    public void Models_have_the_shapes_and_the_sizes_that_they_are_named_after()
    {
        CheckScale full = CheckScale.Full;
        foreach (CheckModel model in full.Models.Concat(full.ProductModels).Distinct())
        {
            using TileCheckpoint checkpoint = new(model);
            double billions =
                ModelTensors.Of(checkpoint.Config).Sum(tensor => TensorShape.Count(tensor.Shape)) / 1e9;
            double named = double.Parse(
                model.Name.Split('-')[1].TrimEnd('b'), System.Globalization.CultureInfo.InvariantCulture);
            Assert.That(billions, Is.EqualTo(named).Within(0.25 * named), model.Name);
            Assert.That(full.ServingModels.All(served => full.Models.Contains(served)));
            foreach ((string name, int columns, int outputs, int segments) in model.Products())
                Assert.That(columns % (8 * segments) + (outputs % 32), Is.Zero, $"{model.Name} {name}");
        }
    }

    private static IEnumerable<string> Names(ICheckStage stage) => stage.Cases().Select(one => one.Name);
}
