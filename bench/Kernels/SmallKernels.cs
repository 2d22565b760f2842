namespace PdEngine.Bench;

/// <summary>
/// What a layer does beside products and attention. Their operands lie in caches, so their share of the
/// memory limit may exceed all of it; what they show is the cost of a call.
/// </summary>
internal static class SmallKernels
{
    private const int PageSize = 64;

    public static IReadOnlyList<string> Ops { get; } =
        ["rms_norm", "rope_append", "embed", "sample"];

    public static KernelGroup Make(
        IBackend backend, KernelShape shape, string op, IReadOnlyList<int> rows)
    {
        int most = rows.Max();
        return op switch
        {
            "rms_norm" => RmsNorm(backend, shape, rows, most),
            "rope_append" => Append(backend, shape, rows, most),
            "embed" => Embed(backend, shape, rows, most),
            _ => Sample(backend, shape, rows),
        };
    }

    private static KernelGroup RmsNorm(
        IBackend backend, KernelShape shape, IReadOnlyList<int> rows, int most)
    {
        int columns = shape.Config.HiddenSize;
        Tensor[] all = [.. Enumerable.Range(0, 2).Select(_ => Filled(backend, most, columns))];
        Tensor weight = Filled(backend, 1, columns);
        KernelCase Case(int count)
        {
            double elements = (double)count * columns;
            return New(shape, "rms_norm", count, 4 * elements, 8 * elements, () =>
            {
                SetRows(count, all);
                backend.RmsNorm(all[0], weight, 1e-6f, all[1]);
            });
        }

        return new([.. rows.Select(Case)], [.. all, weight]);
    }

    private static KernelGroup Append(IBackend backend, KernelShape shape, IReadOnlyList<int> rows, int most)
    {
        AttentionShape heads = shape.Heads;
        Tensor qkv = Filled(backend, most, heads.QkvColumns);
        Tensor? norm = shape.Config.QkNorm ? Filled(backend, 1, heads.HeadDim) : null;
        RopeTable rope = new(shape.Config.Rope.InverseFrequencies, shape.Config.Rope.AttentionFactor);
        KvLayout layout = KvLayout.GroupedQuery(
            1, PageSize, heads.KvHeadCount, heads.HeadDim, backend.KvElement);
        KvStore store = backend.CreateKvStore(layout, Math.Max(most, 1));
        KernelCase Case(int count)
        {
            AttentionBatch batch = new();
            bool decodes = KernelCase.PhaseOf(count) == "decode";
            for (int sequence = 0; sequence < (decodes ? count : 1); sequence++)
            {
                int queries = decodes ? 1 : count;
                int[] blocks = [.. Enumerable.Range(sequence, layout.BlocksFor(queries))];
                batch.Add(sequence, 0, queries, blocks);
            }
            double turned = (double)count * (heads.QueryColumns + heads.KvColumns);
            return New(shape, "rope_append", count, 3 * turned, OpWork.AppendBytes(count, heads), () =>
            {
                SetRows(count, qkv);
                backend.RotateAndAppend(
                    qkv, heads, rope.Require(most), norm, norm, 1e-6f, store, 0, batch);
            });
        }

        return new([.. rows.Select(Case)], [qkv, rope, store, .. norm is null ? [] : (IDisposable[])[norm]]);
    }

    private static KernelGroup Embed(IBackend backend, KernelShape shape, IReadOnlyList<int> rows, int most)
    {
        const int tableRows = 32_768;
        Matrix table = backend.LoadMatrix(
            tableRows, shape.Config.HiddenSize, 1, MatrixElement.Native,
            (_, _, values) => values.Fill(0.5f));
        Tensor output = backend.CreateTensor(most, shape.Config.HiddenSize);
        KernelCase Case(int count)
        {
            int[] ids = [.. Enumerable.Range(0, count).Select(i => (int)(i * 7919L % tableRows))];
            double elements = (double)count * shape.Config.HiddenSize;
            return New(shape, "embed", count, elements, 6 * elements, () =>
            {
                SetRows(count, output);
                backend.Embed(table, ids, output);
            });
        }

        return new([.. rows.Select(Case)], [table, output]);
    }

    private static KernelGroup Sample(IBackend backend, KernelShape shape, IReadOnlyList<int> rows)
    {
        int[] sizes = [.. rows.Where(count => count <= Transformer.LogitsRowCapacity)];
        if (sizes.Length == 0)
            return new([], []);
        Tensor logits = Filled(backend, sizes.Max(), shape.Config.VocabularySize);
        KernelCase Case(int count)
        {
            SampleBatch samples = new();
            for (int row = 0; row < count; row++)
            {
                samples.AddRow(new SampleRow
                {
                    Seed = 1, LogitsRow = row, Position = 100 + row, Target = -1, Temperature = 1, TopP = 1,
                    TopK = -1, RepetitionPenalty = 1,
                });
            }
            double elements = (double)count * shape.Config.VocabularySize;
            return New(shape, "sample", count, 3 * elements, 4 * elements, () =>
            {
                SetRows(count, logits);
                backend.Sample(logits, 0, samples, 0, count);
            });
        }

        return new([.. sizes.Select(Case)], [logits]);
    }

    private static KernelCase New(
        KernelShape shape, string op, int rows, double flops, double bytes, Action run) => new(
        op, shape.Name, KernelCase.PhaseOf(rows), KernelCase.PhaseOf(rows) == "decode" ? rows : 1, rows, 0,
        flops, bytes, run);

    private static Tensor Filled(IBackend backend, int rows, int columns)
    {
        Tensor tensor = backend.CreateTensor(rows, columns);
        TensorValues.Fill(tensor);
        return tensor;
    }

    private static void SetRows(int rows, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
            tensor.SetRows(rows);
    }
}
