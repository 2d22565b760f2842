using System.Text.Json;
using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>Gradients, losses and optimiser against torch autograd in float64.</summary>
public sealed class GradientGoldenTests
{
    private const double TensorBound = 1e-4;
    private const double LossBound = 1e-5;

    [Test]
    public void Cross_entropy_is_that_of_the_golden() => Compare("ce", new CrossEntropyLoss());

    [Test]
    public void The_clipped_policy_loss_is_that_of_the_golden()
    {
        using JsonDocument golden = Golden();
        BatchOutcome outcome = Compare("grpo", new ClippedPolicyLoss(0.2, 0.28, 0.02));
        int clipped = golden.RootElement.GetProperty("grpo").GetProperty("clipped_tokens").GetInt32();
        Assert.That(outcome.ClippedTokens, Is.EqualTo(clipped));
    }

    [Test]
    public void Two_steps_of_the_optimiser_are_those_of_the_golden()
    {
        using JsonDocument golden = Golden();
        using ICheckpoint checkpoint = Checkpoint.Open(TestFiles.Golden("models", "tiny-llama"));
        AdamWOptions options = new(WeightDecay: 0.1);
        using TrainerRig rig = TrainerRig.Float32(checkpoint.Config, options);
        rig.Trainer.Read(checkpoint);
        rig.Trainer.Accumulate(Sequences(golden.RootElement), new CrossEntropyLoss());
        rig.Trainer.Step(1e-3);
        rig.Trainer.Step(1e-3);
        AssertTensors("adamw", rig.Trainer.Layout, rig.Trainer.Weights);
    }

    private static BatchOutcome Compare(string name, ITokenLoss loss)
    {
        using JsonDocument golden = Golden();
        using ICheckpoint checkpoint = Checkpoint.Open(TestFiles.Golden("models", "tiny-llama"));
        using TrainerRig rig = TrainerRig.Float32(checkpoint.Config);
        rig.Trainer.Read(checkpoint);
        BatchOutcome outcome = rig.Trainer.Accumulate(Sequences(golden.RootElement), loss);
        double expected = golden.RootElement.GetProperty(name).GetProperty("loss").GetDouble();
        Assert.That(outcome.Loss, Is.EqualTo(expected).Within(LossBound * Math.Abs(expected)));
        AssertTensors(name, rig.Trainer.Layout, rig.Trainer.Gradients);
        return outcome;
    }

    private static JsonDocument Golden() =>
        JsonDocument.Parse(File.ReadAllBytes(TestFiles.Golden("gradients", "tiny-llama", "golden.json")));

    private static List<TrainingSequence> Sequences(JsonElement golden)
    {
        JsonElement policy = golden.GetProperty("grpo");
        List<TrainingSequence> sequences = [];
        int count = golden.GetProperty("input_ids").GetArrayLength();
        for (int index = 0; index < count; index++)
        {
            JsonElement mask = golden.GetProperty("response_mask")[index];
            JsonElement ids = golden.GetProperty("input_ids")[index];
            sequences.Add(new()
            {
                Tokens = [.. ids.EnumerateArray().Select(id => id.GetInt32())],
                IsResponse = [.. mask.EnumerateArray().Select(bit => bit.GetInt32() == 1)],
                RolloutLogProbs = ByPosition(policy.GetProperty("old_logprob")[index]),
                ReferenceLogProbs = ByPosition(policy.GetProperty("ref_logprob")[index]),
                Advantage = policy.GetProperty("advantage")[index].GetSingle(),
            });
        }
        return sequences;
    }

    // The golden's first entry is of the second token.
    private static float[] ByPosition(JsonElement logProbs) =>
        [0, .. logProbs.EnumerateArray().Select(value => value.GetSingle())];

    private static void AssertTensors(string prefix, ParameterLayout layout, FloatVector actual)
    {
        using SafetensorsFile file =
            SafetensorsFile.Open(TestFiles.Golden("gradients", "tiny-llama", "grads.safetensors"));
        foreach (ParameterSlot slot in layout.Slots)
        {
            float[] expected = new float[slot.Count];
            file.Read(file.Tensors[$"{prefix}.{slot.Name}"], 0, expected);
            double distance = TrainerRig.RelativeDistance(
                actual.Values.Slice(slot.Offset, slot.Count), expected);
            Assert.That(distance, Is.LessThanOrEqualTo(TensorBound), $"{prefix}.{slot.Name}");
        }
    }
}
