namespace PdEngine.Host;

/// <summary>Whether a vector loses nothing in another element type.</summary>
internal static class StoredRoundTrip
{
    public static bool IsExact(ICheckpoint source, TensorShape tensor, SafetensorsDtype dtype)
    {
        float[] values = new float[TensorShape.Count(tensor.Shape)], back = new float[values.Length];
        source.Read(tensor.Name, 0, values);
        byte[] bytes = new byte[values.Length * sizeof(float)];
        switch (dtype)
        {
            case SafetensorsDtype.BF16:
                FloatNarrowing.ToBFloat16(values, bytes);
                FloatWidening.FromBFloat16(bytes, back);
                break;
            case SafetensorsDtype.F16:
                FloatNarrowing.ToFloat16(values, bytes);
                FloatWidening.FromFloat16(bytes, back);
                break;
            default:
                return true;
        }
        for (int i = 0; i < values.Length; i++)
        {
            if (BitConverter.SingleToUInt32Bits(values[i]) != BitConverter.SingleToUInt32Bits(back[i]))
                return false;
        }
        return true;
    }
}
