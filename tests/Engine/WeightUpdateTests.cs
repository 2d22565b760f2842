using System.Runtime.InteropServices;

namespace PdEngine.Tests;

/// <summary>Updates from every source give what a fresh engine with those weights gives.</summary>
public sealed class WeightUpdateTests
{
    [Test]
    public async Task Pushed_weights_are_those_of_a_fresh_engine(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend,
        [Values("buckets", "bf16", "pointers", "folder", "delta", "partial")] string source,
        [Values(true, false)] bool stages)
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options(backend));
        EngineModel model = engine.Models[0];
        Pinned pinned = new();
        if (source == "partial")
            await PushOtherHalfAsync(model, stages);
        using WeightUpdate update = Make(source, pinned);
        WeightUpdateReport report = await model.UpdateWeightsAsync(update, new() { Stages = stages });
        pinned.Free();
        Assert.That(report.WasStaged, Is.EqualTo(stages));
        int updates = source == "partial" ? 2 : 1;
        Assert.That(report.Version, Is.EqualTo($"{updates}"));
        Assert.That(model.WeightVersion, Is.EqualTo($"{updates}"));
        Assert.That(model.UpdatesSince(UpdateRig.First), Is.EqualTo(updates));
        await using Engine fresh = await UpdateRig.FreshAsync(backend, seed: 4);
        EngineRig.AssertSameBits(
            await UpdateRig.PrintAsync(fresh), await UpdateRig.PrintAsync(engine), source);
    }

    [Test]
    public async Task Ranks_that_share_a_model_are_updated_together(
        [Values("1Px2+1D", "2Px1+1Dx2")] string shape, [Values("buckets", "delta", "partial")] string source,
        [Values(true, false)] bool stages)
    {
        EngineOptions options = PdRig.Options(
            shape, DisaggregateMode.Always, KvDomainKind.Host, "reference", folder: UpdateRig.Folder(3));
        await using Engine engine = await Engine.StartAsync(options);
        if (source == "partial")
            await PushOtherHalfAsync(engine.Models[0], stages);
        using WeightUpdate update = Make(source, new Pinned());
        await engine.Models[0].UpdateWeightsAsync(update, new() { Stages = stages });
        await using Engine fresh = await UpdateRig.FreshAsync("reference", seed: 4);
        EngineRig.AssertSameBits(
            await UpdateRig.PrintAsync(fresh), await UpdateRig.PrintAsync(engine), source);
    }

    [Test]
    public async Task A_bad_update_changes_nothing_and_says_what_differs()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        IReadOnlyList<TokenLogProb> before = await UpdateRig.PrintAsync(engine);
        const string name = "model.layers.1.mlp.up_proj.weight";
        (long[] shape, float[] values) = UpdateRig.Tensors(4)[name];
        await RefusedAsync(new WeightUpdate(), update => update.Add(name, shape, values), "are not given");
        await RefusedAsync(Partial(), update => update.Add("model.norm.wieght", [64], new float[64]),
            "is it 'model.norm.weight'");
        await RefusedAsync(Partial(), update => update.Add(name, [shape[1], shape[0]], values), "has shape");
        await RefusedAsync(Partial(), update => update.Add(name, shape, values.AsSpan(1), 1), "only");
        await RefusedAsync(Partial("default"), update => update.Add(name, shape, values),
            "used before, and a name is used once, so that it means one state of the weights; the last one "
            + "is 'default': a count that begins anew goes on at 1");
        await RefusedAsync(Partial("7", "6"), update => update.Add(name, shape, values), "builds on");
        await RefusedAsync(Partial("7", "default"), update =>
            update.AddDelta(name, [3], [1], new byte[32]), "SHA-256");
        await RefusedAsync(Partial("7", "default"), update =>
            update.AddDelta(name, [1 << 20], [1], new byte[32]), "is not one");
        await RefusedAsync(Partial(), update => update.AddDelta(name, [3], [1], new byte[32]), "base");
        await RefusedAsync(Partial("7", "default"), update =>
            update.AddDelta(name, [3, 2], [1, 1], new byte[32]), "ascend");
        await RefusedAsync(Partial(), update =>
        {
            update.Add(name, shape, values);
            update.Add(name, shape, values.AsSpan(0, 4));
        }, "given twice");
        Assert.That(model.WeightVersion, Is.EqualTo(UpdateRig.First));
        EngineRig.AssertSameBits(before, await UpdateRig.PrintAsync(engine), "after refusals");

        static WeightUpdate Partial(string? version = null, string? baseVersion = null) =>
            new() { IsPartial = true, Version = version, BaseVersion = baseVersion };

        async Task RefusedAsync(WeightUpdate update, Action<WeightUpdate> fill, string says)
        {
            using (update)
            {
                WeightUpdateException refusal = (await Refusal(update, fill))!;
                Assert.That(refusal.Message, Does.Contain(says));
            }
        }

        async Task<WeightUpdateException?> Refusal(WeightUpdate update, Action<WeightUpdate> fill)
        {
            try
            {
                fill(update);
                await model.UpdateWeightsAsync(update);
                return null;
            }
            catch (WeightUpdateException refusal)
            {
                return refusal;
            }
        }
    }

    [Test]
    public async Task Versions_are_applied_in_order()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        using WeightUpdate first = UpdateRig.Buckets(4, "5"), older = UpdateRig.Buckets(3, "4");
        await model.UpdateWeightsAsync(first);
        Assert.ThrowsAsync<WeightUpdateException>(() => model.UpdateWeightsAsync(older));
        using WeightUpdate next = UpdateRig.Buckets(3);
        Assert.That((await model.UpdateWeightsAsync(next)).Version, Is.EqualTo("6"));
        Assert.That(model.UpdatesSince("default"), Is.EqualTo(2));
        Assert.Throws<RolloutException>(() => model.UpdatesSince("4"));
    }

    [Test]
    public async Task A_frozen_service_refuses_and_keeps_what_it_shares()
    {
        Topology plan = Plans.Of(
            "sglang:\n  - name: actor\n    server_groups:\n      - {worker_type: regular, num_gpus: 1}\n"
            + "  - name: reference\n    update_weights: false\n    server_groups:\n"
            + "      - {worker_type: regular, num_gpus: 1}\n",
            new TopologyFlags { HfCheckpoint = UpdateRig.Folder(3) });
        await using Engine engine = await Engine.StartAsync(
            PdRig.On(EngineRig.Options(UpdateRig.Folder(3)), "reference") with
            {
                Topology = plan, Services = ["actor", "reference"],
            });
        EngineModel actor = engine.GetModel("actor"), frozen = engine.GetModel("reference");
        Generation before = await frozen.GenerateAsync(UpdateRig.Request(99));
        using WeightUpdate update = UpdateRig.Buckets(4);
        Assert.That(
            Assert.ThrowsAsync<WeightUpdateException>(() => frozen.UpdateWeightsAsync(update))!.Message,
            Does.Contain("frozen"));
        await actor.UpdateWeightsAsync(update);
        Generation after = await frozen.GenerateAsync(UpdateRig.Request(99));
        EngineRig.AssertSameBits(before.OutputLogProbs, after.OutputLogProbs, "frozen");
        Assert.That((await actor.GenerateAsync(UpdateRig.Request(99))).WeightVersion, Is.EqualTo("1"));
    }

    private static bool IsOfFirstHalf(string name) => name.Sum(letter => letter) % 2 == 0;

    /// <summary>The tensors that the partial update leaves out.</summary>
    private static async Task PushOtherHalfAsync(EngineModel model, bool stages)
    {
        using WeightUpdate update = new() { IsPartial = true };
        foreach ((string name, (long[] shape, float[] values)) in UpdateRig.Tensors(4))
        {
            if (!IsOfFirstHalf(name))
                update.Add(name, shape, values);
        }
        await model.UpdateWeightsAsync(update, new() { Stages = stages });
    }

    private static WeightUpdate Make(string source, Pinned pinned)
    {
        WeightUpdate update = new() { IsPartial = source == "partial" };
        switch (source)
        {
            case "buckets":
                return UpdateRig.Buckets(4);
            case "folder":
                return WeightUpdate.FromFolder(UpdateRig.Folder(4));
            case "delta":
                return UpdateRig.Delta(3, 4, UpdateRig.First, "1");
        }
        foreach ((string name, (long[] shape, float[] values)) in UpdateRig.Tensors(4))
        {
            switch (source)
            {
                case "bf16":
                    update.Add(name, shape, UpdateRig.ToBFloat16(values));
                    break;
                case "pointers":
                    update.AddPointer(name, shape, WeightElement.Float32, pinned.Add(values));
                    break;
                default:
                    if (IsOfFirstHalf(name))
                        update.Add(name, shape, values);
                    break;
            }
        }
        return update;
    }

    /// <summary>Arrays that stay where they are until they are freed.</summary>
    private sealed class Pinned
    {
        private readonly List<GCHandle> _handles = [];

        public nint Add(float[] values)
        {
            GCHandle handle = GCHandle.Alloc(values, GCHandleType.Pinned);
            _handles.Add(handle);
            return handle.AddrOfPinnedObject();
        }

        public void Free() => _handles.ForEach(handle => handle.Free());
    }
}
