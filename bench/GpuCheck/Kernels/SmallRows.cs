namespace PdEngine.Bench;

/// <summary>Ops that move bytes: norms, RoPE and append, embedding, sums of partials, sampling.</summary>
internal sealed class SmallRows(CheckRig rig, CeilingRows ceilings)
{
    private const int PageSize = 16;

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        int width = Scale.IsToy ? 64 : 4096;
        foreach (int rows in Scale.IsToy ? (int[])[3] : [1, 64, 8192])
        {
            string shape = $"{rows}x{width}";
            string norm = $"kernel/rms_norm {shape}", sum = $"kernel/add_partials {shape}";
            string append = $"kernel/rope+append {rows}";
            yield return new(norm, () => RmsNorm(norm, rows, width));
            yield return new(sum, () => AddPartials(sum, rows, width));
            yield return new(append, () => Append(append, rows));
        }
        foreach (int rows in Scale.IsToy ? (int[])[2] : [1, 8, 64])
        {
            foreach (string kind in (string[])["greedy", "filtered", "logprobs"])
            {
                string name = $"kernel/sample {kind} {rows}x{Scale.Vocabulary}";
                yield return new(name, () => Sample(name, kind, rows));
            }
        }
    }

    private CheckRow RmsNorm(string name, int rows, int width)
    {
        using CheckSide side = new(rig.Backend);
        using CheckMemory memory = new(rig);
        Tensor input = Filled(side, memory, rows, width), output = side.Tensor(rows, width, []);
        Tensor weight = Filled(side, memory, 1, width);
        return InBatch(
            name, side, rows, 6.0 * rows * width,
            _ => rig.Backend.RmsNorm(input, weight, 1e-6f, output));
    }

    private CheckRow AddPartials(string name, int rows, int width)
    {
        using CheckSide side = new(rig.Backend);
        using CheckMemory memory = new(rig);
        Tensor[] partials = [Filled(side, memory, rows, width), Filled(side, memory, rows, width)];
        Tensor residual = Filled(side, memory, rows, width);
        return InBatch(
            name, side, rows, 16.0 * rows * width,
            _ => rig.Backend.AddPartials(partials, null, residual, 0, width));
    }

    private CheckRow Append(string name, int rows)
    {
        AttentionShape shape = Scale.IsToy ? Scale.DecodeHeads[0] : new(32, 8, 128);
        using CheckSide side = new(rig.Backend);
        using CheckMemory memory = new(rig);
        KvLayout layout = KvLayout.GroupedQuery(
            1, PageSize, shape.KvHeadCount, shape.HeadDim, KvElement.BFloat16);
        KvStore store = side.Store(layout, rows);
        Tensor qkv = Filled(side, memory, rows, shape.QkvColumns);
        Tensor rope = Filled(side, memory, rows, shape.HeadDim);
        // Decode rows: a prompt's would end a group of layers each time, and a graph cannot hold that.
        AttentionBatch batch = new();
        for (int i = 0; i < rows; i++)
            batch.Add(i, i % PageSize, 1, [i]);
        rig.Backend.Begin(batch, store, rows);
        double seconds = rig.Seconds(_ => rig.Backend.RotateAndAppend(
            qkv, shape, rope, null, null, 1e-6f, store, 0, batch));
        rig.Backend.End();
        rig.Gpu.Run(rig.Stream.Synchronize);
        return Row(name, seconds, OpWork.AppendBytes(rows, shape));
    }

    private CheckRow Sample(string name, string kind, int rows)
    {
        using CheckSide side = new(rig.Backend);
        int vocabulary = Scale.Vocabulary;
        Tensor logits = side.Tensor(
            rows, vocabulary, CheckValues.Floats(new Random(rows), rows * vocabulary, 3));
        SampleBatch samples = new();
        for (int i = 0; i < rows; i++)
        {
            samples.Add(
                new SampleRow
                {
                    LogitsRow = i, Seed = (ulong)i, Target = -1, Temperature = kind == "greedy" ? 0 : 1,
                    TopP = kind == "filtered" ? 0.95f : 1, TopK = kind == "filtered" ? 50 : -1,
                    RepetitionPenalty = 1, TopCount = kind == "logprobs" ? 5 : 0,
                },
                [], [], [], []);
        }
        CheckRow? row = null;
        side.Batch(rows, () => row = Row(
            name, rig.Seconds(_ => rig.Backend.Sample(logits, 0, samples, 0, rows), isCaptured: false),
            4.0 * rows * vocabulary));
        return row!;
    }

    private static Tensor Filled(CheckSide side, CheckMemory memory, int rows, int columns)
    {
        Tensor tensor = side.Tensor(rows, columns, []);
        // Bits of two halves are a float of some sort.
        memory.Fill((ulong)tensor.Address, (long)rows * tensor.Stride * sizeof(float));
        return tensor;
    }

    private CheckRow InBatch(string name, CheckSide side, int rows, double bytes, Action<int> call)
    {
        CheckRow? row = null;
        side.Batch(rows, () => row = Row(name, rig.Seconds(call), bytes));
        return row!;
    }

    private CheckRow Row(string name, double seconds, double bytes) =>
        rig.Clocks.AddTo(new CheckRow(name).With("us", seconds * 1e6)
            .With("gb_per_second", bytes / seconds / 1e9)
            .With("share_of_copy", bytes / seconds / ceilings.BytesPerSecond));
}
