# node-gyp and prebuildify enter here; CMakeLists.txt holds the sources and the flags.
{
  "targets": [{
    "target_name": "rushes",
    "type": "none",
    "actions": [{
      "action_name": "build_addon",
      # No inputs: cmake knows what is out of date.
      "inputs": [],
      "outputs": ["<(PRODUCT_DIR)/rushes.node"],
      "action": ["node", "scripts/build-addon.mjs", "--out", "<(PRODUCT_DIR)"]
    }]
  }]
}
