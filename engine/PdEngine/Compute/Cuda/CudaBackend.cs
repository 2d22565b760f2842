using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The kernels of kernels/cuda on one stream of a GPU: bf16 weights and KV, a float32 residual, bf16 inputs
/// of products. Ops put work on the stream; <see cref="Await"/> waits where a batch has results.
/// Not yet run on a GPU: its tests run the kernels on the CPU, under a stand-in for the driver.
/// </summary>
internal sealed partial class CudaBackend : IBackend
{
    private readonly CudaGpu _gpu;
    private readonly CudaBatch _batch;
    private readonly CublasProducts? _products;
    private CudaSampling _draws;

    /// <param name="gpu">Not owned.</param>
    /// <param name="cublas">Computes products, and there are no graphs; null: the kernels do.</param>
    /// <param name="partition">What it runs on; null is the whole GPU. Not owned.</param>
    /// <param name="allowsGraphs">There may be graphs, where the GPU's options have them.</param>
    public CudaBackend(CudaGpu gpu, CublasLt? cublas, CudaPartition? partition, bool allowsGraphs = true)
    {
        _gpu = gpu;
        RunsAhead = gpu.Options.RunsAhead;
        bool usesGraphs = allowsGraphs && gpu.Options.UsesGraphs && cublas is null;
        _products = cublas is null ? null : gpu.Make(() => new CublasProducts(cublas, gpu.Context));
        Lane = gpu.Make(() => new CudaLane(gpu, partition));
        _batch = gpu.Make(() => new CudaBatch(Lane, usesGraphs));
        _draws = _batch.Sampling;
        Copies = new(Lane);
        PullLane = gpu.Make(() => new CudaLane(gpu, partition));
        Pulls = new(PullLane);
    }

    public CudaGpu Gpu => _gpu;

    /// <summary>Its stream.</summary>
    public CudaLane Lane { get; }

    /// <summary>Copies of KV blocks inside its memory, on that stream.</summary>
    public CudaCopies Copies { get; }

    /// <summary>
    /// A stream for what comes from other memories: it waits for who computes that, and its own batches do
    /// not.
    /// </summary>
    public CudaLane PullLane { get; }

    /// <summary>Copies on that one.</summary>
    public CudaCopies Pulls { get; }

    public string Name => $"cuda/sm_{_gpu.Device.Capability}";

    public KvElement KvElement => KvElement.BFloat16;

    public bool RunsAhead { get; }

    /// <summary>What computes its products.</summary>
    public GemmKind Gemm => _products is null ? GemmKind.Own : GemmKind.CublasLt;

    public MemoryDomain Memory => _gpu.Memory;

    public long FreeBytes => _gpu.Make(() => _gpu.Context.FreeBytes);

    public Tensor CreateTensor(int rowCapacity, int columns) =>
        new(rowCapacity, columns, elementCount => new CudaTensorMemory(_gpu, elementCount));

    public Tensor CreateShared(int rowCapacity, int columns, IReadOnlyList<IBackend> users)
    {
        CudaGpu[] gpus = [.. users.Select(user => ((CudaBackend)user)._gpu).Distinct()];
        return new(rowCapacity, columns, elementCount => new CudaTensorMemory(_gpu, elementCount, gpus));
    }

    public CudaRankGather? CreateGather(IReadOnlyList<IBackend> ranks, long elementCount) =>
        CudaRankGather.For([.. ranks.Cast<CudaBackend>()], elementCount);

    public KvStore CreateKvStore(KvLayout layout, int blockCount)
    {
        Check.That(blockCount > 0 && layout.Planes.Count == 2);
        foreach (KvPlane plane in layout.Planes)
        {
            Check.That(plane.Element == KvElement.BFloat16);
            if (!CudaKernels.HasHeadDim(plane.Width))
            {
                throw new BackendException(
                    $"The CUDA backend has no attention for heads of {plane.Width} elements, only of 16, 32, "
                    + "64 and 128. Compute on the CPU.");
            }
        }
        CudaKvPool pool = new(_gpu, layout, blockCount);
        return new CudaKvStore(layout, blockCount, pool, this, isOwner: true);
    }

    public Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader)
    {
        Check.That(rows > 0 && columns > 0 && segmentCount is 1 or 2 or 4 && columns % segmentCount == 0);
        if (element == MatrixElement.Int8)
        {
            throw new BackendException(
                "The CUDA backend has no int8 products: leave quantization w8a8_int8 out, or compute on the "
                + "CPU.");
        }
        CudaMatrix matrix = new(_gpu, rows, columns, segmentCount);
        try
        {
            matrix.Fill(reader);
            return matrix;
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    public void ReloadMatrix(Matrix matrix, MatrixReader reader) => ((CudaMatrix)matrix).Fill(reader);

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output)
    {
        Check.That(output.Rows == tokenIds.Length && output.Columns == table.Columns);
        CudaEmbedArgs args = new()
        {
            Table = Own(table).First,
            Tokens = _batch.PutTokens(tokenIds),
            Previous = _draws.Previous,
            Output = Float(output, writes: true),
            TableStride = table.Columns,
            OutputStride = output.Stride,
            Columns = table.Columns,
            Vocabulary = table.Rows,
        };
        Launch(_gpu.Kernels.Embed, new(_batch.Rows(output)), CudaKernels.RowThreads, 0, args);
    }

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output)
    {
        Check.That(output.Rows == input.Rows && output.Columns == input.Columns);
        Check.That(weight.Columns == input.Columns && !output.IsView);
        CudaRmsNormArgs args = new()
        {
            Input = Float(input),
            Weight = Float(weight),
            Output = Half(output, writes: true),
            InputStride = input.Stride,
            OutputStride = HalfStride(output),
            Columns = input.Columns,
            Epsilon = epsilon,
        };
        Launch(
            _gpu.Kernels.RmsNorm, new(_batch.Rows(input)), CudaKernels.RowThreads,
            CudaKernels.RmsNormSharedBytes, args);
    }

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        Check.That(output.Columns == weight.Rows);
        Multiply(input, weight, bias, Float(output, writes: true), output.Stride, CudaGemmEpilogue.Store);
    }

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual)
    {
        Check.That(residual.Rows == input.Rows && residual.Columns == weight.Rows);
        Multiply(input, weight, bias, Float(residual), residual.Stride, CudaGemmEpilogue.Add);
    }

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        GatedRows.CheckFits(input, weight, bias, output);
        Multiply(
            input, weight, bias, Half(output, writes: true), HalfStride(output), CudaGemmEpilogue.SwiGlu);
    }

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount)
    {
        residual.CheckSum(partials, bias, firstColumn, columnCount);
        if (columnCount == 0 || residual.Rows == 0)
            return;
        Span<ulong> parts = stackalloc ulong[partials.Length];
        for (int part = 0; part < parts.Length; part++)
            parts[part] = Float(partials[part]);
        AddParts(parts, partials[0].Stride, bias, residual, firstColumn, columnCount);
    }

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch)
    {
        CudaKvStore blocks = Fitting(store, shape, batch);
        Check.That(qkv.Columns == shape.QkvColumns && rope.Columns == shape.HeadDim);
        CudaRotateAppendArgs args = new()
        {
            Qkv = Float(qkv),
            Rope = Float(rope),
            QueryNorm = queryNorm is null ? 0 : Float(queryNorm),
            KeyNorm = keyNorm is null ? 0 : Float(keyNorm),
            Store = blocks.LayerAddress(layer),
            Places = _batch.Attention.Places,
            QkvStride = qkv.Stride,
            RopeStride = rope.Stride,
            BlockBytes = store.Layout.BlockBytes,
            PlaneBytes = PlaneBytes(store.Layout),
            Heads = shape.HeadCount,
            KvHeads = shape.KvHeadCount,
            HeadDim = shape.HeadDim,
            PageSize = store.Layout.PageSize,
            FirstKvHead = shape.FirstKvHead,
            Epsilon = epsilon,
        };
        int heads = shape.HeadCount + (2 * shape.KvHeadCount);
        Launch(
            _gpu.Kernels.RotateAppend, new(_batch.Rows(qkv), (heads + 3) / 4), CudaKernels.RowThreads, 0,
            args);
        EndLayer(layer);
    }

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output)
    {
        CudaKvStore blocks = Fitting(store, shape, batch);
        Check.That(qkv.Columns == shape.QkvColumns && output.Columns == shape.QueryColumns);
        Check.That(output.Rows == qkv.Rows && window >= 0);
        CudaAttentionArgs args = new()
        {
            Qkv = Float(qkv),
            Store = blocks.LayerAddress(layer),
            Output = Half(output, writes: true),
            QkvStride = qkv.Stride,
            OutputStride = HalfStride(output),
            BlockBytes = store.Layout.BlockBytes,
            PlaneBytes = PlaneBytes(store.Layout),
            Heads = shape.HeadCount,
            KvHeads = shape.KvHeadCount,
            PageSize = store.Layout.PageSize,
            FirstKvHead = shape.FirstKvHead,
            Window = window,
            ScaleLog2 = (float)(Math.Log2(Math.E) / Math.Sqrt(shape.HeadDim)),
        };
        try
        {
            _batch.Attention.Attend(args, shape);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output)
    {
        Check.That(output.Rows == rows.Length && output.Columns == input.Columns);
        foreach (int row in rows)
            Check.That((uint)row < (uint)input.Rows);
        CudaGatherRowsArgs args = new()
        {
            Input = Float(input),
            Rows = PutRows(rows),
            Output = Float(output, writes: true),
            InputStride = input.Stride,
            OutputStride = output.Stride,
            Columns = input.Columns,
        };
        Launch(_gpu.Kernels.GatherRows, new(rows.Length), CudaKernels.RowThreads, 0, args);
    }

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        Check.That(first >= 0 && count >= 0 && first + count <= samples.RowCount);
        if (count == 0)
            return;
        samples.CheckFits(logits, firstLogitsRow, first, count);
        Float(logits);
        try
        {
            _batch.Flush();
            _batch.Sampling.Sample(logits, firstLogitsRow, samples, first, count);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void Rest()
    {
    }

    public void Dispose()
    {
        Copies.Dispose();
        Pulls.Dispose();
        PullLane.Dispose();
        _products?.Dispose();
        _room?.Dispose();
        _batch.Dispose();
        Lane.Dispose();
    }

    private void Multiply(
        Tensor input, Matrix weight, Tensor? bias, ulong output, long outputStride, CudaGemmEpilogue epilogue)
    {
        Check.That(input.Columns == weight.Columns && (bias is null || bias.Columns == weight.Rows));
        int rows = _batch.Rows(input);
        if (rows == 0)
            return;
        if (_products is not null && epilogue != CudaGemmEpilogue.SwiGlu)
        {
            MultiplyByCublas(rows, input, weight, bias, output, outputStride, epilogue);
            return;
        }
        MultiplyByKernel(rows, input, weight, bias, output, outputStride, epilogue);
    }

    private void MultiplyByCublas(
        int rows, Tensor input, Matrix weight, Tensor? bias, ulong output, long outputStride,
        CudaGemmEpilogue epilogue)
    {
        CublasShape shape = new(
            rows, weight.Rows, weight.Columns, HalfStride(input), weight.Columns, outputStride,
            bias is not null, epilogue == CudaGemmEpilogue.Add);
        try
        {
            _gpu.Context.MakeCurrent();
            _products!.Multiply(
                shape, Half(input), Own(weight).First, bias is null ? 0 : Float(bias), output, Lane.Stream);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    private CudaKvStore Fitting(KvStore store, AttentionShape shape, AttentionBatch batch)
    {
        shape.CheckFits(store.Layout);
        Check.That(store == _batch.Store);
        _batch.Attention.CheckIs(batch);
        return (CudaKvStore)store;
    }

    private CudaMatrix Own(Matrix weight)
    {
        CudaMatrix own = (CudaMatrix)weight;
        Check.That(own.Gpu == _gpu);
        return own;
    }

    private static ulong Float(Tensor tensor, bool writes = false) =>
        CudaTensorMemory.AddressOf(tensor, isHalf: false, writes);

    private static ulong Half(Tensor tensor, bool writes = false) =>
        CudaTensorMemory.AddressOf(tensor, isHalf: true, writes);

    // A row of bf16 begins where one of float32 does.
    private static long HalfStride(Tensor tensor) => (long)tensor.Stride * 2;

    private static long PlaneBytes(KvLayout layout) => layout.HeadCount * layout.HeadBytes(layout.Planes[0]);
}
